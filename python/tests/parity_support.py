"""What the parity tests share: the same call on libgnn and on PyTorch, and how far results may be apart."""

from __future__ import annotations

import collections
import typing

import hypothesis
import numpy
from hypothesis import strategies as st

import libgnn

# Of every function, how many comparisons there were; the terminal summary prints them.
COUNTS: collections.Counter[str] = collections.Counter()

Array = typing.Any  # numpy.typing.NDArray[typing.Any]
Call = typing.Callable[..., typing.Any]
FLOATS = ["float32", "float64"]


def examples(count: int) -> typing.Callable[[typing.Any], typing.Any]:
    """A fixed sequence of `count` generated cases."""
    return hypothesis.settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def shapes(min_dims: int = 0, max_dims: int = 4, max_side: int = 5) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with sizes 0 and 1 among them."""
    sides = st.integers(0, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def values(
    draw: st.DrawFn, shape: tuple[int, ...], low: float = -3, high: float = 3, grid: bool | None = None
) -> Array:
    """float64 numbers in [low, high) of that shape, which float32 represents; on a coarse grid, where there
    are zeros and ties, when `grid` (None: sometimes)."""
    random = numpy.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()) if grid is None else grid:
        return random.integers(round(low * 2), round(high * 2), shape) / 2.0
    return random.uniform(low, high, shape).astype(numpy.float32).astype(numpy.float64)


def tensors(torch: typing.Any, arrays: typing.Sequence[Array], dtype: str) -> tuple[list[typing.Any], list[typing.Any]]:
    """The arrays as libgnn's tensors of the dtype and as PyTorch's of float64, leaves that want gradients."""
    ours = [libgnn.tensor(a, dtype=getattr(libgnn, dtype), requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    return ours, theirs


def assert_close(name: str, ours: libgnn.Tensor | None, theirs: typing.Any, dtype: str, terms: int = 0) -> None:
    """|ours - theirs| <= eps * (16 + terms) * max(1, |theirs|'s largest), with PyTorch's result in float64.

    eps is that of the dtype; `terms` the length of the longest sum that an element is computed from, each of
    whose additions rounds; 16 is for the functions of libm and for what is multiplied and rounded besides.
    NaN and infinities must be in the same places.
    """
    if theirs is None:
        assert ours is None or not numpy.any(ours.numpy()), f"{name}: a gradient where PyTorch has none"
        return
    expected = theirs.detach().to("cpu").double().numpy()
    got = numpy.zeros_like(expected) if ours is None else ours.detach().double().numpy()
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, PyTorch {expected.shape}"
    if ours is not None:
        assert str(ours.dtype) == f"libgnn.{dtype}", f"{name}: {ours.dtype} instead of {dtype}"
    finite = numpy.isfinite(expected)
    assert numpy.array_equal(numpy.isnan(got), numpy.isnan(expected)), f"{name}: NaN\n{got}\n{expected}"
    infinite = numpy.isinf(expected)
    assert numpy.array_equal(got[infinite], expected[infinite]), f"{name}: infinities\n{got}\n{expected}"
    scale = max(1.0, float(numpy.abs(expected[finite]).max(initial=0)))
    bound = float(numpy.finfo(dtype).eps) * (16 + terms) * scale
    worst = float(numpy.abs(got[finite] - expected[finite]).max(initial=0))
    assert worst <= bound, f"{name}: off by {worst:.3g}, allowed {bound:.3g}\n{got}\n{expected}"


def check(
    torch: typing.Any,
    name: str,
    ours: Call,
    theirs: Call,
    arrays: typing.Sequence[Array],
    dtype: str,
    terms: int = 0,
    backward_terms: int | None = None,
) -> None:
    """Compares ours(*tensors) with theirs(*tensors), and the gradients for a random cotangent."""
    COUNTS[name] += 1
    our_inputs, their_inputs = tensors(torch, arrays, dtype)
    result, expected = ours(*our_inputs), theirs(*their_inputs)
    assert_close(f"{name}: value", result, expected, dtype, terms)
    if not expected.requires_grad:
        assert not result.requires_grad, f"{name}: recorded, unlike PyTorch"
        return
    random = numpy.random.default_rng(1)
    cotangent = random.standard_normal(tuple(expected.shape)).astype(numpy.float32).astype(numpy.float64)
    result.backward(libgnn.tensor(cotangent, dtype=getattr(libgnn, dtype)))
    expected.backward(torch.tensor(cotangent))
    for i, (x, y) in enumerate(zip(our_inputs, their_inputs)):
        label = f"{name}: gradient {i}"
        assert_close(label, x.grad, y.grad, dtype, terms if backward_terms is None else backward_terms)
