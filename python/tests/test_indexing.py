"""t[...]: which elements, that they share memory, gradients, assignment, what is refused."""

from __future__ import annotations

import types
import typing

import numpy
import pytest

import libgnn

ALLOWED: list[typing.Any] = [
    0,
    -1,
    numpy.int64(1),
    libgnn.tensor(1),
    (0, 1),
    (1, -1, 2),
    (0, 0, 0),
    slice(None),
    slice(0, 1),
    slice(1, None),
    slice(-1, None),
    slice(None, -1),
    slice(5, 2),
    slice(0, 0),
    slice(-100, 100),
    slice(None, 10**30),
    slice(None, None, 1),
    (0, slice(1, 3)),
    (1, 2, slice(0, 2)),
    (0, slice(None)),
    (slice(None), slice(None)),
    (slice(0, 1), slice(None), slice(None)),
    (slice(0, 1), ...),
    ...,
    (),
    (..., ...),
    (1, ...),
    (0, 1, ...),
]
# What would not be contiguous, and what PyTorch has besides.
REFUSED: list[typing.Any] = [
    slice(None, None, 2),
    slice(None, None, -1),
    (slice(None), 1),
    (slice(0, 1), 0),
    (slice(0, 2), slice(0, 1)),
    (..., 0),
    (0, ..., 1),
    None,
    (0, None),
    True,
    1.0,
    "a",
    [0, 1],
    numpy.array([0, 1]),
    libgnn.tensor(1.0),
    libgnn.tensor([0, 1]),
    10**30,
    {},
    object(),
]


@pytest.fixture
def x() -> libgnn.Tensor:
    return libgnn.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("number", range(len(ALLOWED)))
def test_elements_gradients_and_memory(torch: types.ModuleType, number: int) -> None:
    index = ALLOWED[number]
    theirs = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()
    ours = libgnn.arange(24.0).reshape(2, 3, 4).requires_grad_()
    their_index = int(index) if isinstance(index, libgnn.Tensor) else index
    if isinstance(index, tuple) and index.count(...) > 1:
        their_index = ...  # PyTorch takes one only
    part, expected = ours[index], theirs[their_index]
    assert part.shape == tuple(expected.shape) and part.tolist() == expected.tolist()
    if part.numel() > 0:
        assert part.data_ptr() - ours.data_ptr() == expected.data_ptr() - theirs.data_ptr()
    (part * part).sum().backward()
    (expected * expected).sum().backward()
    assert ours.grad is not None and ours.grad.tolist() == theirs.grad.tolist()


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused(x: libgnn.Tensor, number: int) -> None:
    with pytest.raises(libgnn.IndexOutOfRangeError, match="indexed by whole numbers and slices"):
        x[REFUSED[number]]
    with pytest.raises(libgnn.IndexOutOfRangeError, match="indexed by whole numbers and slices"):
        x[REFUSED[number]] = 0
    assert x.tolist() == numpy.arange(24.0).reshape(2, 3, 4).tolist()


def test_out_of_range(x: libgnn.Tensor) -> None:
    for index in (2, -3, (0, 3), (0, 0, -5), 2**62, -(2**63)):
        with pytest.raises(IndexError, match="out of range"):
            x[index]
        with pytest.raises(IndexError, match="out of range"):
            x[index] = 0
    for index in ((0, 0, 0, 0), (0, 0, 0, slice(None))):
        with pytest.raises(IndexError, match="4 indices for a tensor of shape"):
            x[index]
    scalar = libgnn.tensor(1.0)
    assert scalar[()].item() == scalar[...].item() == 1
    for index in (0, slice(None), slice(0, 1)):
        with pytest.raises(IndexError, match="indices for a tensor of shape"):
            scalar[index]
    with pytest.raises(TypeError, match="slice indices"):
        x[slice("a")]
    with pytest.raises(IndexError):
        libgnn.zeros(0, 3)[0]


def test_an_index_whose_methods_raise(x: libgnn.Tensor) -> None:
    class Bad:
        def __index__(self) -> int:
            raise ZeroDivisionError

        def __repr__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        x[Bad()]
    with pytest.raises(ZeroDivisionError):
        x[Bad() :]
    with pytest.raises(ZeroDivisionError):
        x[0] = Bad()


def test_iteration(x: libgnn.Tensor) -> None:
    rows = list(x)
    assert [row.shape for row in rows] == [(3, 4)] * 2
    rows[1].fill_(7)
    assert x[1].tolist() == [[7] * 4] * 3
    a, b = libgnn.tensor([1.0, 2.0], requires_grad=True)
    assert (a.item(), b.item()) == (1, 2) and a.requires_grad
    assert list(libgnn.zeros(0, 2)) == [] and sum(1 for _ in libgnn.zeros(3)) == 3


def test_views_of_views_share_memory(x: libgnn.Tensor) -> None:
    x[1][2][3] = -1
    x[0, 1][1:3] = 50
    x[-1:][0][0].fill_(8)
    expected = numpy.arange(24.0).reshape(2, 3, 4)
    expected[1, 2, 3], expected[0, 1, 1:3], expected[1, 0] = -1, 50, 8
    assert x.tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8"])
def test_assignment(name: str) -> None:
    x = libgnn.zeros(2, 3, dtype=getattr(libgnn, name))
    x[0] = 2
    x[1, 1:] = libgnn.tensor([3, 4])  # of another dtype
    x[1, 0] = libgnn.tensor(5.0)
    assert x.tolist() == [[2, 2, 2], [5, 3, 4]]
    x[...] = 1
    assert x.tolist() == [[1] * 3] * 2
    x[:] = libgnn.zeros(2, 3)
    assert x.tolist() == [[0] * 3] * 2
    x[0:0] = 9
    assert x.tolist() == [[0] * 3] * 2


def test_assignment_of_what_does_not_fit(x: libgnn.Tensor) -> None:
    with pytest.raises(libgnn.ShapeError, match=r"\[3, 4\]"):
        x[0] = libgnn.ones(4)
    for value in (None, "a", [1, 2, 3, 4], (1,), {}, numpy.ones((3, 4)), object()):
        with pytest.raises(TypeError, match="expected a tensor or a number, got"):
            x[0] = value
    with pytest.raises((AttributeError, TypeError)):
        del x[0]
    assert x.tolist() == numpy.arange(24.0).reshape(2, 3, 4).tolist()


def test_assignment_is_not_recorded() -> None:
    w = libgnn.ones(3, requires_grad=True)
    with pytest.raises(libgnn.AutogradError, match="leaf"):
        w[0] = 1
    with pytest.raises(libgnn.AutogradError, match="result of a recorded operation"):
        (w * 2)[0] = 1
    plain = libgnn.zeros(3)
    with pytest.raises(libgnn.AutogradError, match="detach"):
        plain[0] = w[0]
    assert plain.tolist() == [0, 0, 0]
    with libgnn.no_grad():
        w[0] = 5
    assert w.tolist() == [5, 1, 1] and w.is_leaf and w.requires_grad


def test_assignment_to_what_the_tape_keeps_is_noticed() -> None:
    w = libgnn.ones(3, requires_grad=True)
    kept = libgnn.ones(3)
    loss = (w * kept).sum()
    kept[0] = 2
    with pytest.raises(libgnn.AutogradError, match="changed in place"):
        loss.backward()
