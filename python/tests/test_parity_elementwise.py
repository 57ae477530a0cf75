"""Element-wise functions and activations against PyTorch."""

from __future__ import annotations

import types
import typing

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import libgnn
import parity_support as parity

# Name: the interval of arguments. Those with a kink or a step also get zeros and ties (a coarse grid).
UNARY: dict[str, tuple[float, float]] = {
    "abs": (-3, 3),
    "ceil": (-3, 3),
    "cos": (-7, 7),
    "exp": (-5, 5),
    "expm1": (-5, 5),
    "floor": (-3, 3),
    "log": (0, 5),
    "log1p": (-0.5, 5),
    "neg": (-3, 3),
    "reciprocal": (0.5, 4),
    "relu": (-3, 3),
    "round": (-3, 3),
    "rsqrt": (0.5, 5),
    "sigmoid": (-8, 8),
    "sign": (-3, 3),
    "sin": (-7, 7),
    "sqrt": (0.5, 5),
    "square": (-3, 3),
    "tanh": (-5, 5),
}


@pytest.mark.parametrize("name", UNARY)
@parity.examples(40)
@given(data=st.data())
def test_unary(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    low, high = UNARY[name]
    array = data.draw(parity.values(data.draw(parity.shapes()), low, high))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    if data.draw(st.booleans()):
        ours: parity.Call = getattr(libgnn, name)
    else:
        ours = lambda x: getattr(x, name)()  # noqa: E731
    parity.check(torch, name, ours, getattr(torch, name), [array], dtype)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", parity.FLOATS)
def test_unary_outside_of_the_domain(torch: types.ModuleType, name: str, dtype: str) -> None:
    odd = numpy.array([0.0, -0.0, -1.0, numpy.inf, -numpy.inf, numpy.nan])
    if name in ("sin", "cos"):
        odd = odd[numpy.isfinite(odd) | numpy.isnan(odd)]
    expected = getattr(torch, name)(torch.tensor(odd))
    if name == "sign":
        expected[-1] = numpy.nan  # PyTorch: 0
    parity.COUNTS[name] += 1
    parity.assert_close(name, getattr(libgnn, name)(libgnn.tensor(odd, dtype=getattr(libgnn, dtype))), expected, dtype)


@parity.examples(60)
@given(data=st.data())
@pytest.mark.parametrize("name", ["leaky_relu", "elu", "gelu", "silu", "softplus", "heaviside_step"])
def test_activations(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    array = data.draw(parity.values(data.draw(parity.shapes()), -8, 8))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    positive = st.sampled_from([0.125, 0.5, 1.0, 2.0])
    options: dict[str, typing.Any] = {}
    functional = torch.nn.functional
    if name == "heaviside_step":
        # PyTorch's has no gradient, libgnn's has zeros.
        parity.COUNTS[name] += 1
        x = libgnn.tensor(array, dtype=getattr(libgnn, dtype), requires_grad=True)
        result = libgnn._core.heaviside_step(x)
        zero = torch.zeros((), dtype=torch.float64)
        parity.assert_close(name, result, torch.heaviside(torch.tensor(array), zero), dtype)
        result.sum().backward()
        parity.assert_close(name, x.grad, torch.zeros(array.shape), dtype)
        return
    if name == "leaky_relu" and data.draw(st.booleans()):
        options = {"negative_slope": data.draw(st.sampled_from([0.0, 0.125, 0.5, 1.5]))}
    elif name == "elu" and data.draw(st.booleans()):
        options = {"alpha": data.draw(positive)}
    elif name == "gelu" and data.draw(st.booleans()):
        options = {"approximate": data.draw(st.sampled_from(["none", "tanh"]))}
    elif name == "softplus" and data.draw(st.booleans()):
        options = {"beta": data.draw(positive)}
    ours, theirs = getattr(libgnn._core, name), getattr(functional, name)
    # PyTorch's softplus is linear beyond its threshold of 20; libgnn's is exact everywhere.
    extra = {"threshold": 1000} if name == "softplus" else {}
    parity.check(torch, name, lambda x: ours(x, **options), lambda x: theirs(x, **options, **extra), [array], dtype)


BINARY = ["add", "sub", "mul", "div", "pow", "maximum", "minimum"]
SYMBOLS: dict[str, parity.Call] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
}


@st.composite
def broadcast_shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that fit together by NumPy's rules."""
    whole = draw(parity.shapes(max_dims=4, max_side=4))
    sides = []
    for _ in range(2):
        kept = whole[draw(st.integers(0, len(whole))) :] if draw(st.booleans()) else whole
        sides.append(tuple(1 if draw(st.booleans()) else size for size in kept))
    return sides[0], sides[1]


@pytest.mark.parametrize("name", BINARY)
@parity.examples(60)
@given(data=st.data())
def test_binary(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    shape_a, shape_b = data.draw(broadcast_shapes())
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    low = 0.5 if name in ("pow", "div") else -3
    a = data.draw(parity.values(shape_a, low if name == "pow" else -3, 3))
    b = data.draw(parity.values(shape_b, low, 3))
    theirs = getattr(torch, name)
    forms: list[parity.Call] = [getattr(libgnn, name), lambda x, y: getattr(x, name)(y)]
    if name in SYMBOLS:
        forms.append(SYMBOLS[name])
    # The gradient of a repeated operand is a sum over its repetitions.
    repeated = int(numpy.prod(numpy.broadcast_shapes(shape_a, shape_b)))
    parity.check(torch, name, data.draw(st.sampled_from(forms)), theirs, [a, b], dtype, backward_terms=repeated)


@pytest.mark.parametrize("name", BINARY)
@parity.examples(60)
@given(data=st.data())
def test_binary_with_a_number(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    number = data.draw(st.sampled_from([-2, -1, 0, 1, 2, 3, -1.5, -0.5, 0.5, 1.25, 2.0]))
    left = name in SYMBOLS and data.draw(st.booleans())
    low = 0.5 if name == "pow" and not left or name == "div" and left else -3.0
    if left and name == "pow":
        number = abs(number)
    if name == "div" and not left and number == 0:
        low = 0.5  # 0 / 0 is NaN in both, whose gradients are not compared
    x = data.draw(parity.values(data.draw(parity.shapes()), low, 3))
    if name in SYMBOLS:
        symbol = SYMBOLS[name]
        call: parity.Call = (lambda t: symbol(number, t)) if left else (lambda t: symbol(t, number))
        parity.check(torch, name, call, call, [x], dtype)
        if left and name != "mul":
            ours = getattr(libgnn, name)(number, libgnn.tensor(x)) if name in ("sub", "div", "pow") else None
            if ours is not None:
                parity.assert_close(name, ours, call(torch.tensor(x)), "float64")
    else:
        theirs = getattr(torch, name)
        parity.check(
            torch,
            name,
            lambda t: getattr(libgnn, name)(t, number),
            lambda t: theirs(t, torch.tensor(float(number), dtype=torch.float64)),
            [x],
            dtype,
        )


@parity.examples(60)
@given(data=st.data())
def test_clamp(torch: types.ModuleType, data: st.DataObject) -> None:
    x = data.draw(parity.values(data.draw(parity.shapes())))
    bounds = sorted(data.draw(st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 2.5]), min_size=2, max_size=2)))
    options: dict[str, float | None] = {"min": bounds[0], "max": bounds[1]}
    for key in data.draw(st.sampled_from([(), ("min",), ("max",)])):
        options[key] = None
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    parity.check(torch, "clamp", lambda t: t.clamp(**options), lambda t: t.clamp(**options), [x], dtype)
    parity.check(torch, "clamp", lambda t: libgnn.clamp(t, **options), lambda t: torch.clamp(t, **options), [x], dtype)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@parity.examples(60)
@given(data=st.data())
def test_softmax(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    shape = data.draw(parity.shapes(min_dims=1))
    x = data.draw(parity.values(shape, -30, 30))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    forms: list[parity.Call] = [
        lambda t: getattr(t, name)(dim),
        lambda t: getattr(t, name)(dim=dim),
        lambda t: getattr(libgnn, name)(t, dim),
    ]
    theirs = getattr(torch, name)
    parity.check(torch, name, data.draw(st.sampled_from(forms)), lambda t: theirs(t, dim), [x], dtype, terms=shape[dim])


COMPARISONS: dict[str, parity.Call] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


@pytest.mark.parametrize("name", COMPARISONS)
@parity.examples(60)
@given(data=st.data())
def test_comparisons(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    """PyTorch's bool is libgnn's uint8."""
    parity.COUNTS[name] += 1
    dtype = data.draw(st.sampled_from(["float32", "float64", "float16", "int32", "int64", "uint8"]))
    shape_a, shape_b = data.draw(broadcast_shapes())
    low = 0 if dtype == "uint8" else -3
    a = numpy.array(data.draw(parity.values(shape_a, low, grid=True)))
    if "float" in dtype and data.draw(st.booleans()):
        a.reshape(-1)[:1] = numpy.nan
    ours = [libgnn.tensor(a, dtype=getattr(libgnn, dtype))]
    theirs = [torch.tensor(a).to(getattr(torch, dtype))]
    if data.draw(st.booleans()):
        b = data.draw(parity.values(shape_b, low, grid=True))
        ours.append(libgnn.tensor(b, dtype=getattr(libgnn, dtype)))
        theirs.append(torch.tensor(b).to(getattr(torch, dtype)))
    else:
        # PyTorch takes -1 for 255 beside uint8, libgnn for -1.
        number = data.draw(st.sampled_from([0, 1, 2, 0.5, 1.5] + [-1] * (dtype != "uint8")))
        ours.append(number)
        theirs.append(number)
    forms = [COMPARISONS[name], getattr(libgnn, name), lambda x, y: getattr(x, name)(y)]
    result = data.draw(st.sampled_from(forms))(*ours)
    expected = getattr(torch, name)(*theirs)
    assert result.dtype is libgnn.uint8 and not result.requires_grad
    assert result.shape == tuple(expected.shape) and result.tolist() == expected.to(torch.uint8).tolist()
    reflected = COMPARISONS[name](ours[1], ours[0])
    assert reflected.tolist() == COMPARISONS[name](theirs[1], theirs[0]).to(torch.uint8).tolist()


@parity.examples(60)
@given(data=st.data())
def test_all_any_equal(torch: types.ModuleType, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["float32", "float64", "int64", "uint8"]))
    a = numpy.array(data.draw(parity.values(data.draw(parity.shapes(max_side=2)), 0, 1, grid=True)))
    b = a.copy() if data.draw(st.booleans()) else data.draw(parity.values(a.shape, 0, 1, grid=True))
    x, y = (libgnn.tensor(v, dtype=getattr(libgnn, dtype)) for v in (a, b))
    p, q = (torch.tensor(v).to(getattr(torch, dtype)) for v in (a, b))
    for name in ("all", "any"):
        parity.COUNTS[name] += 1
        expected = bool(getattr(torch, name)(p))
        assert bool(getattr(x, name)()) is bool(getattr(libgnn, name)(x)) is expected
    parity.COUNTS["equal"] += 1
    assert libgnn.equal(x, y) is torch.equal(p, q)
