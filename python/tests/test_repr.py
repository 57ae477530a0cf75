"""Tensor's text is PyTorch's, but for what the tests name."""

from __future__ import annotations

import types
import typing

import numpy
import pytest

import libgnn

INF, NAN = float("inf"), float("nan")

FLOATS: list[typing.Any] = [
    1.0,
    -1.5,
    0.0,
    NAN,
    1e20,
    1e-30,
    [],
    [[], []],
    [1.0, 2.0],
    [1.5, 2],
    [-0.0, 1.0],
    [-1.5, 1],
    [1e10, 1.0],
    [1e-5, 1.0],
    [1e-4, 2e-4],
    [9e-5, 2e-4],
    [1e5, 0.5],
    [1000.0, 1.0],
    [1001.0, 1.0],
    [1e8],
    [1.1e8],
    [1e7, 1e6],
    [1234567.875],
    [NAN, 1.0],
    [INF, 1.0],
    [-INF, 2.5],
    [INF, -INF],
    [NAN, NAN, NAN],
    [0.0, NAN],
    [100.0, -5.0],
    [0.1, 0.2, 0.3],
    [[1.0, 2.0], [3.0, 4.0]],
    [[[1.0, 2.0]] * 2] * 2,
    [i / 7 for i in range(50)],
    [[i / 7 for i in range(30)]] * 3,
    numpy.zeros((2, 3, 4)).tolist(),
    numpy.zeros((2, 2, 2, 2)).tolist(),
    numpy.zeros((2, 0, 3)).tolist(),
    numpy.random.default_rng(0).standard_normal((5, 40)).tolist(),
    # More than 1000 elements are cut short.
    list(range(1001)) + [0.5],
    numpy.arange(3000.0).reshape(60, 50).tolist(),
    numpy.arange(3000.0).reshape(3, 1000).tolist(),
    numpy.zeros((20, 20, 20)).tolist(),
    numpy.zeros((7, 7, 7, 7)).tolist(),
    numpy.zeros((2, 600, 1)).tolist(),
]


def torch_text(tensor: typing.Any) -> str:
    return repr(tensor).replace("torch.", "libgnn.")


@pytest.mark.parametrize("number", range(len(FLOATS)))
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_floats_are_printed_as_pytorch_does(
    torch: types.ModuleType, number: int, dtype: str
) -> None:
    values = FLOATS[number]
    theirs = torch.tensor(values, dtype=torch.float64).to(getattr(torch, dtype))
    ours = libgnn.tensor(values, dtype=libgnn.float64).to(getattr(libgnn, dtype))
    assert repr(ours) == torch_text(theirs)


@pytest.mark.parametrize(
    "values", [0, -5, [1, 2, 3], [100, -5], [[1], [20]], [], list(range(1500)), [2**62, 1]]
)
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_whole_numbers_are_printed_as_pytorch_does(
    torch: types.ModuleType, values: typing.Any, dtype: str
) -> None:
    if dtype == "uint8" and numpy.min(values, initial=0) < 0 or dtype != "int64" and values == [2**62, 1]:
        values = 7  # in range
    theirs = torch.tensor(values).to(torch.int64).to(getattr(torch, dtype))
    ours = libgnn.tensor(values, dtype=libgnn.int64).to(getattr(libgnn, dtype))
    assert repr(ours) == torch_text(theirs)


@pytest.mark.parametrize("length", range(1, 40))
def test_notes_break_the_line_where_pytorch_does(torch: types.ModuleType, length: int) -> None:
    values = [1.0] * length
    theirs = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    ours = libgnn.tensor(values, dtype=libgnn.float64, requires_grad=True)
    assert repr(ours) == torch_text(theirs)


def test_a_result_has_a_mark_where_pytorch_names_the_operation() -> None:
    x = libgnn.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr(x + x) == "tensor([2., 2.], grad_fn=True)"
    assert str(x) == repr(x)


def test_format_is_that_of_the_number(torch: types.ModuleType) -> None:
    assert f"{libgnn.tensor(1.25):.3f}" == "1.250"
    assert f"{libgnn.tensor(7):5d}" == "    7"
    assert f"{libgnn.tensor(1.25)}" == f"{torch.tensor(1.25)}"
    assert f"{libgnn.ones(2)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError):
        f"{libgnn.ones(2):.3f}"
