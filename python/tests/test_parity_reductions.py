"""Reductions, products, shapes and new tensors against PyTorch."""

from __future__ import annotations

import types
import typing

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import libgnn
import parity_support as parity


@st.composite
def dims_of(draw: st.DrawFn, count: int, several: bool = True) -> typing.Any:
    """None, a dimension, or a tuple of different ones."""
    if count == 0 or draw(st.integers(0, 3)) == 0:
        return None
    chosen = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True))
    signed = [dim - count if draw(st.booleans()) else dim for dim in chosen]
    return tuple(signed) if several and draw(st.booleans()) else signed[0]


def extent(shape: tuple[int, ...], dims: typing.Any) -> int:
    """How many elements are reduced to one."""
    if dims is None:
        return int(numpy.prod(shape))
    return int(numpy.prod([shape[dim] for dim in (dims if isinstance(dims, tuple) else (dims,))]))


@pytest.mark.parametrize("name", ["sum", "mean"])
@parity.examples(80)
@given(data=st.data())
def test_sum_and_mean(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    shape = data.draw(parity.shapes())
    dims, keepdim = data.draw(dims_of(len(shape))), data.draw(st.booleans())
    x = data.draw(parity.values(shape))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    options: dict[str, typing.Any] = {} if dims is None else {"dim": dims, "keepdim": keepdim}
    forms: list[parity.Call] = [
        lambda t: getattr(t, name)(**options),
        lambda t: getattr(libgnn, name)(t, **options),
        lambda t: getattr(t, name)(*options.values()),
    ]
    form = data.draw(st.sampled_from(forms))
    theirs = getattr(torch, name)
    parity.check(torch, name, form, lambda t: theirs(t, **options), [x], dtype, extent(shape, dims))


@parity.examples(60)
@given(data=st.data())
def test_sum_of_whole_numbers(torch: types.ModuleType, data: st.DataObject) -> None:
    parity.COUNTS["sum"] += 1
    shape = data.draw(parity.shapes())
    dims, keepdim = data.draw(dims_of(len(shape))), data.draw(st.booleans())
    dtype = data.draw(st.sampled_from(["int32", "int64", "uint8"]))
    x = numpy.floor(data.draw(parity.values(shape, 0, 255)))
    options: dict[str, typing.Any] = {} if dims is None else {"dim": dims, "keepdim": keepdim}
    ours = libgnn.tensor(x, dtype=getattr(libgnn, dtype)).sum(**options)
    theirs = torch.tensor(x).to(getattr(torch, dtype)).sum(**options)
    assert ours.dtype is libgnn.int64 and ours.shape == tuple(theirs.shape)
    assert ours.tolist() == theirs.tolist()


@parity.examples(30)
@given(data=st.data())
def test_long_sums_are_accurate(torch: types.ModuleType, data: st.DataObject) -> None:
    length = data.draw(st.integers(10_000, 100_000))
    x = data.draw(parity.values((length,), 0, 1, grid=False))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    # Relative to the sum, which is large: several partial sums lose next to nothing.
    parity.check(torch, "sum", libgnn.sum, torch.sum, [x], dtype, terms=0)
    parity.check(torch, "mean", libgnn.mean, torch.mean, [x], dtype, terms=0)


def distinct(data: st.DataObject, shape: tuple[int, ...]) -> parity.Array:
    """Without ties: PyTorch's gradients then have no choice."""
    random = numpy.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return random.permutation(int(numpy.prod(shape))).reshape(shape) / 4.0


@parity.examples(70)
@given(data=st.data())
def test_amax_and_max(torch: types.ModuleType, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), max_size=4).map(tuple))
    dims, keepdim = data.draw(dims_of(len(shape))), data.draw(st.booleans())
    x, dtype = distinct(data, shape), data.draw(st.sampled_from(parity.FLOATS))
    if dims is None:
        parity.check(torch, "max", lambda t: t.max(), torch.max, [x], dtype)
        parity.check(torch, "amax", libgnn.amax, torch.amax, [x], dtype)
        return
    parity.check(
        torch, "amax", lambda t: t.amax(dims, keepdim), lambda t: t.amax(dims, keepdim), [x], dtype
    )


@parity.examples(70)
@given(data=st.data())
def test_max_over_a_dimension_with_ties(torch: types.ModuleType, data: st.DataObject) -> None:
    """The first of equal elements is taken, as PyTorch does on the CPU, also for the gradient; NaN counts as
    the largest."""
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    dim, keepdim = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.booleans())
    x = numpy.array(data.draw(parity.values(shape, -1, 1, grid=True)))
    if data.draw(st.booleans()):
        x.reshape(-1)[data.draw(st.integers(0, x.size - 1))] = numpy.nan
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    parity.check(
        torch, "max", lambda t: t.max(dim, keepdim)[0], lambda t: t.max(dim, keepdim)[0], [x], dtype
    )
    indices = libgnn.tensor(x, dtype=getattr(libgnn, dtype)).max(dim, keepdim).indices
    assert indices.tolist() == torch.tensor(x).max(dim, keepdim)[1].tolist()


@parity.examples(70)
@given(data=st.data())
def test_argmax(torch: types.ModuleType, data: st.DataObject) -> None:
    parity.COUNTS["argmax"] += 1
    shape = data.draw(st.lists(st.integers(1, 5), max_size=4).map(tuple))
    x = numpy.array(data.draw(parity.values(shape, -1, 1, grid=True)))
    dim = data.draw(dims_of(len(shape), several=False))
    keepdim = data.draw(st.booleans()) and dim is not None
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    tensor = libgnn.tensor(x, dtype=getattr(libgnn, dtype))
    ours = tensor.argmax(dim, keepdim) if data.draw(st.booleans()) else libgnn.argmax(tensor, dim, keepdim)
    theirs = torch.tensor(x).argmax(dim, keepdim)
    assert ours.dtype is libgnn.int64 and ours.shape == tuple(theirs.shape)
    assert ours.tolist() == theirs.tolist()


def test_ties_of_all_elements_differ_on_purpose(torch: types.ModuleType) -> None:
    """PyTorch shares the gradient among equal elements, libgnn gives it to the first, as max(dim) does."""
    ours, theirs = libgnn.ones(4, requires_grad=True), torch.ones(4, requires_grad=True)
    ours.max().backward()
    theirs.max().backward()
    assert theirs.grad.tolist() == [0.25] * 4
    assert ours.grad is not None and ours.grad.tolist() == [1, 0, 0, 0]


# --- products ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["matmul", "mm"])
@parity.examples(70)
@given(data=st.data())
def test_matmul(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    n, k, m = (data.draw(st.integers(0, 9)) for _ in range(3))
    batch = (data.draw(st.integers(1, 3)),) if name == "matmul" and data.draw(st.booleans()) else ()
    a, b = data.draw(parity.values((*batch, n, k))), data.draw(parity.values((*batch, k, m)))
    forms: list[parity.Call] = [getattr(libgnn, name), lambda x, y: getattr(x, name)(y)]
    if name == "matmul":
        forms.append(lambda x, y: x @ y)
    form = data.draw(st.sampled_from(forms))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    parity.check(torch, name, form, getattr(torch, name), [a, b], dtype, terms=max(n, k, m))


@pytest.mark.parametrize("name", ["linear", "linear_relu"])
@parity.examples(70)
@given(data=st.data())
def test_linear(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    lead = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    inputs, outputs = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    arrays = [data.draw(parity.values((*lead, inputs), grid=False))]
    arrays.append(data.draw(parity.values((outputs, inputs), grid=False)))
    if data.draw(st.booleans()):
        arrays.append(data.draw(parity.values((outputs,), grid=False)))
    functional = torch.nn.functional
    theirs = functional.linear
    if name == "linear_relu":
        theirs = lambda *t: functional.relu(functional.linear(*t))  # noqa: E731
    terms = max(inputs, outputs, int(numpy.prod(lead)))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    parity.check(torch, name, getattr(libgnn._core, name), theirs, arrays, dtype, terms)


# --- shapes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reshape", "flatten", "squeeze", "unsqueeze", "transpose", "t"])
@parity.examples(60)
@given(data=st.data())
def test_shapes(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    shape = data.draw(parity.shapes())
    arguments: tuple[typing.Any, ...] = ()
    if name == "reshape":
        target = list(data.draw(st.permutations(shape)))
        if target and data.draw(st.booleans()) and 0 not in target:
            target[data.draw(st.integers(0, len(target) - 1))] = -1
        arguments = (tuple(target),)
    elif name == "flatten" and shape:
        first = data.draw(st.integers(0, len(shape) - 1))
        last = data.draw(st.integers(first, len(shape) - 1))
        arguments = (first, last - len(shape)) if data.draw(st.booleans()) else (first,)
    elif name == "squeeze" and shape and data.draw(st.booleans()):
        arguments = (data.draw(st.integers(-len(shape), len(shape) - 1)),)
    elif name == "unsqueeze":
        arguments = (data.draw(st.integers(-len(shape) - 1, len(shape))),)
    elif name == "transpose":
        shape = data.draw(parity.shapes(min_dims=2))
        arguments = data.draw(st.sampled_from([(-1, -2), (-2, -1), (len(shape) - 2, -1), (0, 0)]))
    elif name == "t":
        shape = data.draw(parity.shapes(max_dims=2))
    x = data.draw(parity.values(shape))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    method: parity.Call = lambda t: getattr(t, name)(*arguments)  # noqa: E731
    function: parity.Call = lambda t: getattr(libgnn, name)(t, *arguments)  # noqa: E731
    form = data.draw(st.sampled_from([method, function]))
    parity.check(torch, name, form, method, [x], dtype)


@parity.examples(60)
@given(data=st.data())
def test_leading_indices(torch: types.ModuleType, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    count = data.draw(st.integers(1, len(shape)))
    index: list[typing.Any] = [data.draw(st.integers(-n, n - 1)) for n in shape[:count]]
    if data.draw(st.booleans()):
        ends = st.none() | st.integers(-6, 6)
        index[-1] = slice(data.draw(ends), data.draw(ends))
    x, dtype = data.draw(parity.values(shape)), data.draw(st.sampled_from(parity.FLOATS))
    take: parity.Call = lambda t: t[tuple(index)]  # noqa: E731
    parity.check(torch, "t[...]", take, take, [x], dtype)


# --- new tensors ------------------------------------------------------------------------------------

DTYPES = ["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8"]


def assert_same(name: str, ours: libgnn.Tensor, theirs: typing.Any) -> None:
    parity.COUNTS[name] += 1
    assert str(ours.dtype)[len("libgnn.") :] == str(theirs.dtype)[len("torch.") :]
    assert ours.shape == tuple(theirs.shape) and ours.tolist() == theirs.tolist()
    assert ours.requires_grad == theirs.requires_grad and ours.is_leaf


@pytest.mark.parametrize("name", ["zeros", "ones", "full", "zeros_like", "ones_like", "full_like"])
@parity.examples(40)
@given(data=st.data())
def test_constant_tensors(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    shape = data.draw(parity.shapes())
    dtype = data.draw(st.none() | st.sampled_from(DTYPES))
    value = data.draw(st.sampled_from([0, 1, 7, 2.0, 100]))
    results = []
    wants = data.draw(st.booleans()) and dtype in ("float32", "float64", "float16", "bfloat16")
    source = data.draw(st.sampled_from(DTYPES))
    for module in (libgnn, torch):
        options = {"requires_grad": wants, **({} if dtype is None else {"dtype": getattr(module, dtype)})}
        extra = (value,) if name.startswith("full") else ()
        like = module.zeros(shape, dtype=getattr(module, source))
        first = like if name.endswith("like") else shape
        results.append(getattr(module, name)(first, *extra, **options))
    assert_same(name, *results)


@pytest.mark.parametrize("name", ["empty", "rand", "randn", "empty_like", "rand_like", "randn_like"])
@parity.examples(30)
@given(data=st.data())
def test_tensors_with_other_contents(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    parity.COUNTS[name] += 1
    shape, dtype = data.draw(parity.shapes()), data.draw(st.sampled_from(parity.FLOATS))
    made = []
    for module in (libgnn, torch):
        kind = getattr(module, dtype)
        argument = module.zeros(shape, dtype=kind) if name.endswith("like") else shape
        options = {} if name.endswith("like") else {"dtype": kind}
        made.append(getattr(module, name)(argument, **options))
    ours, theirs = made
    assert ours.shape == tuple(theirs.shape) and str(ours.dtype)[7:] == str(theirs.dtype)[6:]
    if name.startswith("rand_") or name == "rand":
        assert all(0 <= value < 1 for value in ours.reshape(-1).tolist())


@parity.examples(70)
@given(data=st.data())
def test_arange(torch: types.ModuleType, data: st.DataObject) -> None:
    whole = data.draw(st.booleans())
    number = st.integers(-20, 20) if whole else st.integers(-80, 80).map(lambda n: n / 4)
    step = data.draw(number.filter(lambda n: n != 0))
    start, length = data.draw(number), data.draw(st.integers(0, 12))
    arguments: tuple[typing.Any, ...] = (start, start + step * length, step)
    form = data.draw(st.integers(0, 2))
    if form == 0:
        arguments = (abs(arguments[1]),)
    elif form == 1:
        arguments = (start, start + abs(step) * length)
    dtype = data.draw(st.none() | st.sampled_from(["float32", "float64", "int64", "int32"]))
    if not whole and dtype in ("int64", "int32"):
        dtype = None  # PyTorch counts with truncated bounds, libgnn truncates the elements
    results = []
    for module in (libgnn, torch):
        options = {} if dtype is None else {"dtype": getattr(module, dtype)}
        results.append(module.arange(*arguments, **options))
    assert_same("arange", *results)


@parity.examples(70)
@given(data=st.data())
def test_tensor(torch: types.ModuleType, data: st.DataObject) -> None:
    shape = data.draw(parity.shapes(max_dims=3, max_side=3))
    kind = data.draw(st.sampled_from(["float64", "int64", "float32", "int32", "uint8", "float16"]))
    array = numpy.asarray(numpy.abs(data.draw(parity.values(shape, grid=True)))).astype(kind)
    dtype = data.draw(st.none() | st.sampled_from(DTYPES))
    as_lists = data.draw(st.booleans())
    for name in ("tensor", "as_tensor"):
        results = []
        for module in (libgnn, torch):
            options = {} if dtype is None else {"dtype": getattr(module, dtype)}
            source = array.tolist() if as_lists else numpy.array(array)
            results.append(getattr(module, name)(source, **options))
        assert_same(name, *results)


def test_random_numbers_have_the_moments_of_their_distribution() -> None:
    """Bounds of 6 standard errors; the seed is fixed."""
    libgnn.manual_seed(1)
    n = 200_000
    uniform, normal = libgnn.rand(n).numpy(), libgnn.randn(n).numpy()
    assert abs(uniform.mean() - 0.5) < 6 * (1 / 12 / n) ** 0.5
    assert abs(uniform.var() - 1 / 12) < 6 * (1 / 180 / n) ** 0.5
    assert abs(normal.mean()) < 6 / n**0.5
    assert abs(normal.var() - 1) < 6 * (2 / n) ** 0.5
