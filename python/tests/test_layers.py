"""Layers and losses: values, gradients, arguments and texts, beside PyTorch's."""

from __future__ import annotations

import inspect
from typing import Any

import numpy
import pytest

import libgnn
from libgnn import nn

# A layer's class and arguments, and the shape of an input.
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3, False), {}, (2, 3, 5)),
    ("Linear", (5, 0), {}, (4, 5)),
    ("Conv2d", (2, 4, 3), {}, (2, 2, 7, 6)),
    ("Conv2d", (2, 4, (3, 2), 2, (1, 0), 1, 2, False), {}, (2, 2, 7, 6)),
    ("Conv2d", (3, 6, 3), {"padding": "same", "dilation": (2, 1), "groups": 3}, (1, 3, 6, 5)),
    ("Conv2d", (1, 1, (1, 2)), {"padding": "valid", "stride": (1, 2)}, (1, 1, 4, 5)),
    ("Conv2d", (2, 3, 3), {}, (2, 5, 4)),
    ("MaxPool2d", (2,), {}, (2, 3, 6, 7)),
    ("MaxPool2d", ((3, 2), 2, 1), {"ceil_mode": True}, (2, 3, 6, 7)),
    ("MaxPool2d", (2,), {"stride": (1, 2), "dilation": 2}, (3, 6, 7)),
    ("AvgPool2d", (2,), {}, (2, 3, 6, 7)),
    ("AvgPool2d", ((3, 2), 2, 1), {"ceil_mode": True, "count_include_pad": False}, (2, 3, 6, 7)),
    ("AvgPool2d", (2,), {"divisor_override": 3}, (3, 6, 7)),
    ("ReLU", (), {}, (3, 4)),
    ("LeakyReLU", (), {}, (3, 4)),
    ("LeakyReLU", (0.2,), {}, (3, 4)),
    ("ELU", (), {}, (3, 4)),
    ("ELU", (0.5,), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("GELU", (), {}, (3, 4)),
    ("GELU", ("tanh",), {}, (3, 4)),
    ("SiLU", (), {}, (3, 4)),
    ("Softplus", (), {}, (3, 4)),
    ("Softplus", (2,), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4)),
    ("Softmax", (-3,), {}, (2, 3, 4)),
    ("Softmax", (), {}, (3, 4)),
    ("Softmax", (), {}, (4,)),
    ("LogSoftmax", (0,), {}, (3, 4)),
    ("LogSoftmax", (), {}, (4,)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Dropout", (0.0,), {}, (3, 4)),
    ("Identity", (3,), {"any": "thing"}, (3, 4)),
]


def identify(value: Any) -> str:
    return str(value) if isinstance(value, (str, tuple, dict)) else ""


def close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Compares a tensor of libgnn's with one of PyTorch's, relative to the largest element."""
    expected = theirs.detach().numpy()
    assert tuple(ours.shape) == expected.shape
    got = ours.detach().numpy()
    assert got.dtype == expected.dtype
    scale = max(1.0, float(numpy.abs(expected).max(initial=0)))
    numpy.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.filterwarnings("ignore:Implicit dimension choice", "ignore:Initializing zero-element")
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("name, args, kwargs, shape", LAYERS, ids=identify)
def test_layer_against_torch(
    torch: Any,
    rng: numpy.random.Generator,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    shape: tuple[int, ...],
    dtype: str,
    tolerance: float,
) -> None:
    ours = getattr(nn, name)(*args, **kwargs).to(getattr(libgnn, dtype))
    theirs = getattr(torch.nn, name)(*args, **kwargs).to(getattr(torch, dtype))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())

    values = rng.standard_normal(shape).astype(dtype)
    x = libgnn.tensor(values, requires_grad=True)
    x_theirs = torch.tensor(values, requires_grad=True)
    y, y_theirs = ours(x), theirs(x_theirs)
    close(y, y_theirs, tolerance)
    cotangent = rng.standard_normal(y_theirs.shape).astype(dtype)
    y.backward(libgnn.tensor(cotangent))
    y_theirs.backward(torch.tensor(cotangent))
    close(x.grad, x_theirs.grad, 10 * tolerance)
    for parameter, expected in zip(ours.parameters(), theirs.parameters()):
        close(parameter.grad, expected.grad, 10 * tolerance)


LOSSES: list[tuple[str, dict[str, Any]]] = [
    *[(name, {"reduction": r}) for name in ("MSELoss", "L1Loss") for r in ("mean", "sum", "none")],
    *[("CrossEntropyLoss", {"reduction": r}) for r in ("mean", "sum", "none")],
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 2}),
    ("CrossEntropyLoss", {"weight": [0.5, 2.0, 1.0, 3.0], "label_smoothing": 0.3}),
]


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("name, kwargs", LOSSES, ids=identify)
def test_loss_against_torch(
    torch: Any,
    rng: numpy.random.Generator,
    name: str,
    kwargs: dict[str, Any],
    dtype: str,
    tolerance: float,
) -> None:
    def build(lib: Any) -> Any:
        arguments = dict(kwargs)
        if "weight" in arguments:
            arguments["weight"] = lib.tensor(arguments["weight"], dtype=getattr(lib, dtype))
        return getattr(lib.nn, name)(**arguments)

    ours, theirs = build(libgnn), build(torch)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    values = rng.standard_normal((6, 4)).astype(dtype)
    target: Any = rng.standard_normal((6, 4)).astype(dtype)
    if name == "CrossEntropyLoss":
        target = rng.integers(0, 4, 6)
    x = libgnn.tensor(values, requires_grad=True)
    x_theirs = torch.tensor(values, requires_grad=True)
    loss, loss_theirs = ours(x, libgnn.tensor(target)), theirs(x_theirs, torch.tensor(target))
    close(loss, loss_theirs, tolerance)
    loss.backward(libgnn.ones_like(loss))
    loss_theirs.backward(torch.ones_like(loss_theirs))
    close(x.grad, x_theirs.grad, tolerance)


@pytest.mark.parametrize("name", sorted({name for name, *_ in [*LAYERS, *LOSSES]}))
def test_constructors_are_torchs(torch: Any, name: str) -> None:
    """Arguments, their order and their defaults."""

    def arguments(layer: Any) -> list[tuple[str, Any]]:
        found = inspect.signature(layer.__init__).parameters.values()
        return [
            (p.name, p.default)
            for p in found
            if p.name != "self" and p.kind is p.POSITIONAL_OR_KEYWORD
        ]

    theirs = arguments(getattr(torch.nn, name))
    if name in ("MaxPool2d", "AvgPool2d"):  # which annotate stride as optional and default to it
        assert [a for a, _ in arguments(getattr(nn, name))] == [a for a, _ in theirs]
    else:
        assert arguments(getattr(nn, name)) == theirs


class TestWhatIsNotSupported:
    @pytest.mark.parametrize(
        "build, words",
        [
            (lambda: nn.ReLU(inplace=True), "inplace, so that it can only be False, got True"),
            (lambda: nn.LeakyReLU(0.1, True), "inplace, so that it can only be False, got True"),
            (lambda: nn.ELU(1.0, True), "inplace, so that it can only be False, got True"),
            (lambda: nn.SiLU(True), "inplace, so that it can only be False, got True"),
            (lambda: nn.Dropout(0.1, True), "inplace, so that it can only be False, got True"),
            (lambda: nn.Softplus(1, 5), "threshold, so that it can only be 20, got 5"),
            (lambda: nn.MaxPool2d(2, return_indices=True), "return_indices, .* be False"),
            (lambda: nn.Conv2d(1, 1, 3, padding_mode="reflect"), "padding_mode, .* got 'reflect'"),
            (lambda: nn.Conv2d(1, 1, 2, padding="same"), "even dilation"),
            (lambda: nn.Conv2d(1, 1, 3, stride=2, padding="same"), "needs stride 1"),
            (lambda: nn.Conv2d(1, 1, 3, padding="some"), 'expected padding .* got "some"'),
            (lambda: nn.MSELoss(size_average=True), "size_average, .* got True"),
            (lambda: nn.CrossEntropyLoss(reduce=False), "reduce, .* got False"),
        ],
    )
    def test_says_so(self, build: Any, words: str) -> None:
        with pytest.raises(libgnn.InvalidValueError, match=words):
            build()


class TestBadArguments:
    @pytest.mark.parametrize(
        "build",
        [
            lambda: nn.Linear(-1, 2),
            lambda: nn.Linear(1, -2),
            lambda: nn.Conv2d(0, 1, 3),
            lambda: nn.Conv2d(1, 0, 3),
            lambda: nn.Conv2d(1, 1, 0),
            lambda: nn.Conv2d(1, 1, (3, 0)),
            lambda: nn.Conv2d(1, 1, 3, stride=0),
            lambda: nn.Conv2d(1, 1, 3, padding=(1, -1)),
            lambda: nn.Conv2d(1, 1, 3, dilation=0),
            lambda: nn.Conv2d(1, 1, 3, groups=0),
            lambda: nn.Conv2d(3, 4, 3, groups=2),
            lambda: nn.Conv2d(4, 3, 3, groups=2),
            lambda: nn.Dropout(-0.1),
            lambda: nn.Dropout(2),
            lambda: nn.Dropout(float("nan")),
            lambda: nn.Softplus(0),
            lambda: nn.MSELoss(reduction="average"),
            lambda: nn.Softmax()(libgnn.ones(2, 2, 2)),
            lambda: nn.GELU("exact")(libgnn.ones(1)),
            lambda: nn.MaxPool2d(0)(libgnn.ones(1, 4, 4)),
            lambda: nn.MaxPool2d(2, padding=2)(libgnn.ones(1, 4, 4)),
            lambda: nn.AvgPool2d(2, divisor_override=0)(libgnn.ones(1, 4, 4)),
            lambda: nn.AvgPool2d(5)(libgnn.ones(1, 4, 4)),
            lambda: nn.Linear(3, 2)(libgnn.ones(2)),
        ],
    )
    def test_value_errors(self, build: Any) -> None:
        with pytest.raises(ValueError) as caught:
            build()
        assert isinstance(caught.value, libgnn.Error)

    @pytest.mark.parametrize(
        "build",
        [
            lambda: nn.Linear(),
            lambda: nn.Linear(2.5, 2),
            lambda: nn.Linear(2, "a"),
            lambda: nn.Conv2d(1, 1, 2.5),
            lambda: nn.Conv2d(1, 1, (3, 3, 3)),
            lambda: nn.Conv2d(1, 1, True),
            lambda: nn.Conv2d(1, 1, None),
            lambda: nn.Conv2d(1.5, 1, 3),
            lambda: nn.MaxPool2d("2"),
            lambda: nn.MaxPool2d((2,)),
            lambda: nn.AvgPool2d(2, 2.0),
            lambda: nn.Dropout("a"),
            lambda: nn.ReLU(slope=3),
            lambda: nn.ReLU()(3),
            lambda: nn.ReLU()(None),
            lambda: nn.Linear(1, 1)(libgnn.ones(1, dtype=libgnn.float64)),
        ],
    )
    def test_type_errors(self, build: Any) -> None:
        with pytest.raises(TypeError):
            build()


def test_dropout_draws_only_in_training() -> None:
    layer = nn.Dropout(0.5)
    x = libgnn.ones(1000)
    libgnn.manual_seed(3)
    first = layer(x).tolist()
    assert set(first) == {0.0, 2.0} and 400 < first.count(0.0) < 600
    libgnn.manual_seed(3)
    assert layer(x).tolist() == first
    assert layer.eval()(x).tolist() == [1.0] * 1000


def test_parameters_are_made_where_and_as_asked() -> None:
    for layer in (
        nn.Linear(2, 3, device="cpu", dtype=libgnn.float64),
        nn.Conv2d(1, 2, 3, device=libgnn.device("cpu"), dtype=libgnn.float64),
    ):
        assert {parameter.dtype for parameter in layer.parameters()} == {libgnn.float64}
        assert all(parameter.requires_grad for parameter in layer.parameters())


def test_help_says_what_is_needed() -> None:
    assert nn.Conv2d.__doc__ is not None
    for words in ("[N, in_channels, H, W]", "padding_mode", "Raises", "weight: [out_channels"):
        assert words in nn.Conv2d.__doc__
    for name in nn.__all__:
        member = getattr(nn, name)
        assert member.__doc__, f"nn.{name} has no docstring"
    for name in [*nn.init.__all__, *nn.functional.__all__]:
        function = getattr(nn.init, name, None) or getattr(nn.functional, name)
        assert function.__doc__, f"{name} has no docstring"
