"""Changes in place: results as PyTorch's, and never where a gradient would have to flow."""

from __future__ import annotations

import types
import typing

import pytest

import libgnn

Change = typing.Callable[[typing.Any, types.ModuleType], typing.Any]


def iadd(t: typing.Any, m: types.ModuleType) -> typing.Any:
    t += 2
    return t


def isub(t: typing.Any, m: types.ModuleType) -> typing.Any:
    t -= m.full((3,), 0.5)
    return t


def imul(t: typing.Any, m: types.ModuleType) -> typing.Any:
    t *= -3
    return t


def idiv(t: typing.Any, m: types.ModuleType) -> typing.Any:
    t /= 4
    return t


CHANGES: dict[str, Change] = {
    "+=": iadd,
    "-=": isub,
    "*=": imul,
    "/=": idiv,
    "add_": lambda t, m: t.add_(1.5),
    "sub_": lambda t, m: t.sub_(m.ones(2, 3)),
    "mul_": lambda t, m: t.mul_(m.tensor([1.0, 2.0, 3.0])),
    "div_": lambda t, m: t.div_(m.tensor([[2.0], [4.0]])),
    "zero_": lambda t, m: t.zero_(),
    "fill_": lambda t, m: t.fill_(7),
    "copy_": lambda t, m: t.copy_(m.tensor([[1, 2, 3], [4, 5, 6]])),
    "clamp_": lambda t, m: t.clamp_(1, 3),
    "clamp_ min": lambda t, m: t.clamp_(min=2),
    "clamp_ max": lambda t, m: t.clamp_(max=2),
    "self": lambda t, m: t.add_(t),
}
RANDOM: dict[str, Change] = {
    "uniform_": lambda t, m: t.uniform_(-1, 1),
    "normal_": lambda t, m: t.normal_(0, 2),
}
ALL = {**CHANGES, **RANDOM}


@pytest.mark.parametrize("name", CHANGES)
def test_result(torch: types.ModuleType, name: str) -> None:
    ours, theirs = libgnn.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3)
    view, address, version = ours[1], ours.data_ptr(), ours._version
    assert CHANGES[name](ours, libgnn) is ours
    CHANGES[name](theirs, torch)
    assert ours.tolist() == theirs.tolist()
    assert ours.data_ptr() == address and view.tolist() == ours.tolist()[1]
    assert ours._version > version and view._version == ours._version


@pytest.mark.parametrize("name", ALL)
def test_a_leaf_that_requires_a_gradient_is_refused(name: str) -> None:
    leaf = libgnn.ones(2, 3, requires_grad=True)
    with pytest.raises(libgnn.AutogradError, match="a leaf that requires a gradient"):
        ALL[name](leaf, libgnn)
    assert leaf.tolist() == [[1] * 3] * 2
    with libgnn.no_grad():
        assert ALL[name](leaf, libgnn) is leaf
    assert leaf.requires_grad and leaf.is_leaf


@pytest.mark.parametrize("name", ALL)
def test_a_recorded_result_is_refused(name: str) -> None:
    result = libgnn.ones(2, 3, requires_grad=True) * 1
    with pytest.raises(libgnn.AutogradError, match="result of a recorded operation"):
        ALL[name](result, libgnn)
    assert result.tolist() == [[1] * 3] * 2


def test_the_message_names_the_method() -> None:
    leaf = libgnn.ones(2, 3, requires_grad=True)
    for name in ("zero_", "fill_", "copy_", "add_", "clamp_", "uniform_", "normal_"):
        with pytest.raises(libgnn.AutogradError, match=f"^{name}:"):
            ALL[name](leaf, libgnn)


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "copy_"])
def test_another_tensor_that_requires_a_gradient_is_refused(name: str) -> None:
    plain, leaf = libgnn.zeros(2), libgnn.ones(2, requires_grad=True)
    with pytest.raises(libgnn.AutogradError, match="detach"):
        getattr(plain, name)(leaf)
    assert plain.tolist() == [0, 0]
    getattr(plain, name)(leaf.detach())


@pytest.mark.parametrize("name", ALL)
def test_a_saved_tensor_that_changed_is_noticed(name: str) -> None:
    w, x = libgnn.ones(2, 3, requires_grad=True), libgnn.ones(2, 3)
    loss = (w * x).sum()
    ALL[name](x, libgnn)
    with pytest.raises(libgnn.AutogradError, match="changed in place"):
        loss.backward()
    assert w.grad is None


def test_errors_leave_the_tensor_as_it_was() -> None:
    x = libgnn.ones(2, 3)
    wrong: list[tuple[typing.Callable[[], typing.Any], type[Exception], str]] = [
        (lambda: x.add_(libgnn.ones(5, 2, 3)), libgnn.ShapeError, "add_"),
        (lambda: x.add_(libgnn.ones(4)), libgnn.ShapeError, "broadcast"),
        (lambda: x.mul_(libgnn.ones(3, dtype=libgnn.float64)), libgnn.DTypeError, "one dtype"),
        (lambda: x.add_("a"), TypeError, "add_"),
        (lambda: x.add_(None), TypeError, "add_"),
        (lambda: x.copy_(libgnn.ones(3)), libgnn.ShapeError, "shape"),
        (lambda: x.copy_(1), TypeError, "copy_"),
        (lambda: x.fill_("a"), TypeError, "number"),
        (lambda: x.fill_(None), TypeError, "number|NoneType"),
        (lambda: x.fill_(10**400), OverflowError, "too large"),
        (lambda: x.clamp_(2, 1), libgnn.InvalidValueError, "low <= high"),
        (lambda: x.uniform_(1, 0), libgnn.InvalidValueError, "low <= high"),
        (lambda: x.uniform_(0, float("inf")), libgnn.InvalidValueError, "finite"),
        (lambda: x.normal_(0, -1), libgnn.InvalidValueError, "std"),
        (lambda: libgnn.arange(3).add_(1), libgnn.DTypeError, "float32 or float64"),
        (lambda: libgnn.arange(3).uniform_(), libgnn.DTypeError, "float32 or float64"),
        (lambda: libgnn.arange(3).fill_(2**53 + 1), libgnn.InvalidValueError, "double"),
    ]
    for call, error, message in wrong:
        with pytest.raises(error, match=message):
            call()
        assert x.tolist() == [[1] * 3] * 2


def test_fill_of_whole_numbers_saturates() -> None:
    assert libgnn.zeros(1, dtype=libgnn.uint8).fill_(300).item() == 255
    assert libgnn.zeros(1, dtype=libgnn.uint8).fill_(-1).item() == 0
    assert libgnn.zeros(1, dtype=libgnn.int32).fill_(1e30).item() == 2**31 - 1
    assert libgnn.zeros(1, dtype=libgnn.int64).fill_(float("nan")).item() == 0
    assert libgnn.zeros(1, dtype=libgnn.int64).fill_(2**62).item() == 2**62


def test_random_numbers_are_those_of_the_functions() -> None:
    libgnn.manual_seed(5)
    expected = [libgnn.rand(4, 5).tolist(), libgnn.randn(4, 5).tolist()]
    libgnn.manual_seed(5)
    x = libgnn.zeros(4, 5)
    assert [x.uniform_().tolist(), x.normal_().tolist()] == expected


def test_copy_between_all_dtypes() -> None:
    names = ["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8"]
    for target in names:
        for source in names:
            x = libgnn.zeros(3, dtype=getattr(libgnn, target))
            x.copy_(libgnn.tensor([1, 2, 3], dtype=getattr(libgnn, source)))
            assert x.tolist() == [1, 2, 3]
