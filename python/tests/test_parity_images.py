"""Convolution and pooling against PyTorch, over strides, paddings, dilations, groups and ceil_mode."""

from __future__ import annotations

import types
import typing

import numpy
from hypothesis import assume, given
from hypothesis import strategies as st

import libgnn
import parity_support as parity


@st.composite
def pair(draw: st.DrawFn, low: int, high: int) -> typing.Any:
    """A number, or one for each direction."""
    numbers = st.integers(low, high)
    return draw(numbers | st.tuples(numbers, numbers))


def both(size: typing.Any) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


@st.composite
def convolution(draw: st.DrawFn) -> tuple[list[parity.Array], dict[str, typing.Any], int]:
    """Input, weight and perhaps a bias that fit, options, and the length of the longest sum in any of value
    and gradients."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    in_group, out_group = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    options: dict[str, typing.Any] = {
        "stride": draw(pair(1, 3)),
        "padding": draw(pair(0, 3)),
        "dilation": draw(pair(1, 2)),
        "groups": groups,
    }
    for name in draw(st.sets(st.sampled_from(sorted(options)))) - {"groups"}:
        del options[name]  # PyTorch's default
    padding, dilation = both(options.get("padding", 0)), both(options.get("dilation", 1))
    sides = [
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), d * (k - 1) + 9))
        for k, p, d in zip(kernel, padding, dilation)
    ]
    batch = draw(st.integers(1, 3))
    lead = () if batch == 1 and draw(st.booleans()) else (batch,)
    arrays = [
        draw(parity.values((*lead, groups * in_group, *sides), grid=False)),
        draw(parity.values((groups * out_group, in_group, *kernel), grid=False)),
    ]
    if draw(st.booleans()):
        arrays.append(draw(parity.values((groups * out_group,), grid=False)))
    area = kernel[0] * kernel[1]
    positions = batch * (sides[0] + 2 * padding[0]) * (sides[1] + 2 * padding[1])
    return arrays, options, max(in_group * area, out_group * area, positions)


@parity.examples(150)
@given(data=st.data())
def test_conv2d(torch: types.ModuleType, data: st.DataObject) -> None:
    arrays, options, terms = data.draw(convolution())
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    theirs = torch.nn.functional.conv2d
    ours = libgnn._core.conv2d
    parity.check(
        torch, "conv2d", lambda *t: ours(*t, **options), lambda *t: theirs(*t, **options), arrays, dtype, terms
    )


@parity.examples(150)
@given(data=st.data())
def test_conv2d_pool(torch: types.ModuleType, data: st.DataObject) -> None:
    """PyTorch's is conv2d, relu and max_pool2d(2) one after the other."""
    arrays, options, terms = data.draw(convolution())
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    relu = data.draw(st.booleans())
    functional = torch.nn.functional

    def theirs(*t: typing.Any) -> typing.Any:
        y = functional.conv2d(*t, **options)
        return functional.max_pool2d(functional.relu(y) if relu else y, 2)

    with torch.no_grad():
        shape = functional.conv2d(*(torch.tensor(a) for a in arrays), **options).shape
    assume(shape[-1] >= 2 and shape[-2] >= 2)
    ours = libgnn._core.conv2d_pool
    parity.check(torch, "conv2d_pool", lambda *t: ours(*t, **options, relu=relu), theirs, arrays, dtype, terms)


@st.composite
def images(draw: st.DrawFn, kernel: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]) -> parity.Array:
    sides = [
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), d * (k - 1) + 8))
        for k, p, d in zip(kernel, padding, dilation)
    ]
    lead = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple))
    return draw(parity.values((*lead, *sides)))


@parity.examples(150)
@given(data=st.data())
def test_max_pool2d(torch: types.ModuleType, data: st.DataObject) -> None:
    """Also ties (a coarse grid): the first of equal elements gets the gradient, as in PyTorch.

    Where a dilated window sees nothing but padding both say -inf; PyTorch then sends the gradient to some
    element, libgnn to none.
    """
    kernel_size, dilation = data.draw(pair(1, 4)), data.draw(pair(1, 2))
    kernel = both(kernel_size)
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    options = {"padding": padding, "dilation": dilation, "ceil_mode": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        options["stride"] = data.draw(pair(1, 3))
    for name in data.draw(st.sets(st.sampled_from(["dilation", "ceil_mode"]))):
        del options[name]
    x = data.draw(images(kernel, padding, both(options.get("dilation", 1))))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    ours, theirs = libgnn._core.max_pool2d, torch.nn.functional.max_pool2d
    assume(torch.isfinite(theirs(torch.tensor(x), kernel_size, **options)).all())
    parity.check(
        torch,
        "max_pool2d",
        lambda t: ours(t, kernel_size, **options),
        lambda t: theirs(t, kernel_size, **options),
        [x],
        dtype,
        terms=16,
    )


@parity.examples(150)
@given(data=st.data())
def test_avg_pool2d(torch: types.ModuleType, data: st.DataObject) -> None:
    kernel_size = data.draw(pair(1, 4))
    kernel = both(kernel_size)
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    options = {
        "padding": padding,
        "ceil_mode": data.draw(st.booleans()),
        "count_include_pad": data.draw(st.booleans()),
        "divisor_override": data.draw(st.none() | st.integers(1, 5)),
    }
    if data.draw(st.booleans()):
        options["stride"] = data.draw(pair(1, 3))
    for name in data.draw(st.sets(st.sampled_from(["ceil_mode", "count_include_pad", "divisor_override"]))):
        del options[name]
    x = data.draw(images(kernel, padding, (1, 1)))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    ours, theirs = libgnn._core.avg_pool2d, torch.nn.functional.avg_pool2d
    parity.check(
        torch,
        "avg_pool2d",
        lambda t: ours(t, kernel_size, **options),
        lambda t: theirs(t, kernel_size, **options),
        [x],
        dtype,
        terms=kernel[0] * kernel[1],
    )


@parity.examples(60)
@given(data=st.data())
def test_max_pool2d_with_nan_and_infinities(torch: types.ModuleType, data: st.DataObject) -> None:
    parity.COUNTS["max_pool2d"] += 1
    kernel = data.draw(st.integers(1, 3))
    x = numpy.array(data.draw(parity.values((2, 6, 5))))
    for value in (numpy.nan, numpy.inf, -numpy.inf):
        x.reshape(-1)[data.draw(st.integers(0, x.size - 1))] = value
    options = {"stride": data.draw(st.integers(1, 2)), "padding": data.draw(st.integers(0, kernel // 2))}
    ours = libgnn._core.max_pool2d(libgnn.tensor(x), kernel, **options)
    theirs = torch.nn.functional.max_pool2d(torch.tensor(x), kernel, **options)
    assert numpy.array_equal(ours.numpy(), theirs.numpy(), equal_nan=True)
