"""Layers, containers and losses as modules against PyTorch's: results, gradients of input and parameters,
state dictionaries in both directions."""

from __future__ import annotations

import types
import typing

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import libgnn
import parity_support as parity
from test_parity_images import both, pair

nn = libgnn.nn


def load_from_torch(ours: libgnn.nn.Module, theirs: typing.Any, dtype: str) -> None:
    """PyTorch's parameters (float64) into ours; all keys and shapes must be the same."""
    state = theirs.state_dict()
    mine = ours.state_dict()
    assert list(mine) == list(state)
    assert [mine[key].shape for key in mine] == [tuple(value.shape) for value in state.values()]
    kind = getattr(libgnn, dtype)
    ours.to(kind)
    result = ours.load_state_dict({k: libgnn.tensor(v.numpy(), dtype=kind) for k, v in state.items()})
    assert list(result.missing_keys) == [] and list(result.unexpected_keys) == []


def assert_state_returns(ours: libgnn.nn.Module, theirs: typing.Any, torch: typing.Any) -> None:
    """Our state dictionary loads into PyTorch's module; every number arrives as it was."""
    theirs.to(getattr(torch, str(next(iter(ours.state_dict().values())).dtype)[len("libgnn.") :]))
    theirs.load_state_dict({k: torch.from_dlpack(v).clone() for k, v in ours.state_dict().items()})
    for key, value in theirs.state_dict().items():
        assert numpy.array_equal(value.numpy(), ours.state_dict()[key].numpy()), key
    for (name, mine), (other, yours) in zip(ours.named_parameters(), theirs.named_parameters()):
        assert name == other and mine.shape == tuple(yours.shape) and mine.requires_grad == yours.requires_grad


def check_module(
    torch: typing.Any,
    name: str,
    ours: libgnn.nn.Module,
    theirs: typing.Any,
    array: parity.Array,
    dtype: str,
    terms: int,
) -> None:
    """Same parameters, same input: results, gradients, state."""
    theirs.double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(parameter.float())  # what float32 can hold
    load_from_torch(ours, theirs, dtype)
    assert repr(ours) == repr(theirs)
    parity.check(torch, f"nn.{name}", ours, theirs, [array], dtype, terms)
    for (label, mine), (_, yours) in zip(ours.named_parameters(), theirs.named_parameters()):
        parity.assert_close(f"nn.{name}: gradient of {label}", mine.grad, yours.grad, dtype, terms)
    if list(ours.state_dict()):
        assert_state_returns(ours, theirs, torch)
    ours.zero_grad()
    assert all(p.grad is None for p in ours.parameters())


@parity.examples(60)
@given(data=st.data())
def test_linear(torch: types.ModuleType, data: st.DataObject) -> None:
    inputs, outputs = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    options = {"bias": data.draw(st.booleans())} if data.draw(st.booleans()) else {}
    lead = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    x = data.draw(parity.values((*lead, inputs)))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    terms = inputs + outputs + int(numpy.prod(lead))
    ours, theirs = nn.Linear(inputs, outputs, **options), torch.nn.Linear(inputs, outputs, **options)
    check_module(torch, "Linear", ours, theirs, x, dtype, terms)


@parity.examples(60)
@given(data=st.data())
def test_conv2d(torch: types.ModuleType, data: st.DataObject) -> None:
    groups = data.draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = groups * data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 3))
    kernel = data.draw(pair(1, 4))
    options: dict[str, typing.Any] = {
        "stride": data.draw(pair(1, 3)),
        "padding": data.draw(pair(0, 2) | st.sampled_from(["same", "valid"])),
        "dilation": data.draw(pair(1, 2)),
        "groups": groups,
        "bias": data.draw(st.booleans()),
    }
    if options["padding"] == "same":
        options["stride"] = 1
    side = (max(both(kernel)) - 1) * max(both(options["dilation"])) + 1
    sides = [data.draw(st.integers(side, side + 6)) for _ in range(2)]
    batch = data.draw(st.integers(1, 3))
    x = data.draw(parity.values((batch, inputs, *sides), grid=False))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    if options["padding"] == "same":
        extents = [d * (k - 1) for d, k in zip(both(options["dilation"]), both(kernel))]
        assume(all(extent % 2 == 0 for extent in extents))  # libgnn pads both sides alike
    terms = batch * (sides[0] + 8) * (sides[1] + 8) + inputs * side * side
    theirs = torch.nn.Conv2d(inputs, outputs, kernel, **options)
    check_module(torch, "Conv2d", nn.Conv2d(inputs, outputs, kernel, **options), theirs, x, dtype, terms)


SIMPLE: dict[str, list[tuple[typing.Any, ...]]] = {
    "ReLU": [()],
    "LeakyReLU": [(), (0.2,)],
    "ELU": [(), (0.5,)],
    "GELU": [(), ("tanh",)],
    "SiLU": [()],
    "Sigmoid": [()],
    "Tanh": [()],
    "Softplus": [(), (2.0,)],
    "Softmax": [(1,), (-1,)],
    "LogSoftmax": [(1,), (-1,)],
    "Flatten": [(), (0,), (1, 2)],
    "Identity": [()],
    "MaxPool2d": [(2,), (3, 2, 1), ((2, 3), None, 1)],
    "AvgPool2d": [(2,), (3, 2, 1), ((3, 2), None, 1, True, False)],
}


@pytest.mark.parametrize("name", SIMPLE)
@parity.examples(30)
@given(data=st.data())
def test_layers_without_parameters(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    arguments = data.draw(st.sampled_from(SIMPLE[name]))
    if name == "GELU" and arguments:
        arguments, options = (), {"approximate": "tanh"}
    else:
        options = {}
    shape = tuple(data.draw(st.integers(1, 3)) for _ in range(2)) + tuple(data.draw(st.integers(3, 7)) for _ in range(2))
    x = data.draw(parity.values(shape))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    ours, theirs = getattr(nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)
    check_module(torch, name, ours, theirs, x, dtype, terms=16)


@parity.examples(40)
@given(data=st.data())
def test_dropout(torch: types.ModuleType, data: st.DataObject) -> None:
    """In evaluation, and where nothing is left to chance."""
    x = data.draw(parity.values(data.draw(parity.shapes())))
    p = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    ours, theirs = nn.Dropout(p), torch.nn.Dropout(p)
    if p == 0.5 or data.draw(st.booleans()):
        ours.eval(), theirs.eval()
    check_module(torch, "Dropout", ours, theirs, x, data.draw(st.sampled_from(parity.FLOATS)), terms=0)


def small_network(module: typing.Any, channels: int, hidden: int, activation: str) -> typing.Any:
    return module.Sequential(
        module.Conv2d(1, channels, 3, padding=1),
        getattr(module, activation)(),
        module.MaxPool2d(2),
        module.Flatten(),
        module.Linear(channels * 9, hidden),
        getattr(module, activation)(),
        module.Linear(hidden, 4, bias=False),
    )


@parity.examples(40)
@given(data=st.data())
def test_sequential(torch: types.ModuleType, data: st.DataObject) -> None:
    channels, hidden = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    activation = data.draw(st.sampled_from(["ReLU", "Tanh", "Sigmoid", "SiLU", "GELU"]))
    x = data.draw(parity.values((data.draw(st.integers(1, 3)), 1, 6, 6), grid=False))
    ours = small_network(nn, channels, hidden, activation)
    theirs = small_network(torch.nn, channels, hidden, activation)
    # Rounding errors grow from layer to layer: of each the longest sum counts.
    terms = 4 * (x.size + 9 * channels + hidden)
    check_module(torch, "Sequential", ours, theirs, x, data.draw(st.sampled_from(parity.FLOATS)), terms)


@pytest.mark.parametrize("name", ["ModuleList", "ModuleDict"])
def test_containers(torch: types.ModuleType, name: str) -> None:
    parity.COUNTS[f"nn.{name}"] += 1

    def make(module: typing.Any) -> typing.Any:
        layers = [module.Linear(2, 3), module.Tanh(), module.Linear(3, 1)]
        if name == "ModuleList":
            return module.ModuleList(layers)
        return module.ModuleDict({"first": layers[0], "bend": layers[1], "last": layers[2]})

    ours, theirs = make(nn), make(torch.nn)
    load_from_torch(ours, theirs, "float32")
    assert repr(ours) == repr(theirs)
    assert_state_returns(ours, theirs, torch)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "MSELoss", "L1Loss"])
@parity.examples(40)
@given(data=st.data())
def test_losses(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5)))
    x, dtype = data.draw(parity.values(shape)), data.draw(st.sampled_from(parity.FLOATS))
    options: dict[str, typing.Any] = {"reduction": data.draw(st.sampled_from(["none", "mean", "sum"]))}
    our_options, their_options = dict(options), dict(options)
    if name == "CrossEntropyLoss":
        labels = [data.draw(st.integers(0, shape[1] - 1)) for _ in range(shape[0])]
        targets = [libgnn.tensor(labels), torch.tensor(labels)]
        if data.draw(st.booleans()):
            weight = data.draw(parity.values((shape[1],), 0.5, 2, grid=False))
            our_options["weight"] = libgnn.tensor(weight, dtype=getattr(libgnn, dtype))
            their_options["weight"] = torch.tensor(weight)
        for target in (our_options, their_options):
            target["label_smoothing"] = 0.125
    else:
        y = data.draw(parity.values(shape))
        targets = [libgnn.tensor(y, dtype=getattr(libgnn, dtype)), torch.tensor(y)]
    ours, theirs = getattr(nn, name)(**our_options), getattr(torch.nn, name)(**their_options)
    parity.check(
        torch, f"nn.{name}", lambda t: ours(t, targets[0]), lambda t: theirs(t, targets[1]), [x], dtype, sum(shape)
    )
