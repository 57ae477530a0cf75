"""nn.init and nn.utils: formulas, beside PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

import libgnn
from libgnn import nn
from libgnn.nn import init

SHAPE = (40, 30, 3, 5)  # fan_in 450, fan_out 600


def values_of(fill: Any, *args: Any, **kwargs: Any) -> numpy.ndarray[Any, Any]:
    libgnn.manual_seed(1)
    tensor = nn.Parameter(libgnn.empty(*SHAPE))
    assert fill(tensor, *args, **kwargs) is tensor
    assert tensor.is_leaf and tensor.requires_grad and tensor.grad is None
    return tensor.detach().numpy()


@pytest.mark.parametrize(
    "fill, args, bound",
    [
        (init.xavier_uniform_, (), math.sqrt(6 / 1050)),
        (init.xavier_uniform_, (2.0,), 2 * math.sqrt(6 / 1050)),
        (init.kaiming_uniform_, (), math.sqrt(2) * math.sqrt(3 / 450)),
        (init.kaiming_uniform_, (1, "fan_out"), math.sqrt(3 / 600)),
        (init.kaiming_uniform_, (0, "fan_in", "tanh"), 5 / 3 * math.sqrt(3 / 450)),
        (init.default_, (450,), 1 / math.sqrt(450)),
    ],
)
def test_uniform(fill: Any, args: tuple[Any, ...], bound: float) -> None:
    values = values_of(fill, *args)
    assert -bound <= values.min() < -0.999 * bound
    assert 0.999 * bound < values.max() <= bound
    # The standard error of the mean of 18000 values is 0.0043 bounds, that of the square's 0.0022.
    assert abs(values.mean()) < 5 * 0.0043 * bound
    assert abs((values**2).mean() - bound**2 / 3) < 5 * 0.0022 * bound**2


@pytest.mark.parametrize(
    "fill, args, std",
    [
        (init.xavier_normal_, (), math.sqrt(2 / 1050)),
        (init.xavier_normal_, (3.0,), 3 * math.sqrt(2 / 1050)),
        (init.kaiming_normal_, (), math.sqrt(2 / 450)),
        (init.kaiming_normal_, (0, "fan_out", "relu"), math.sqrt(2 / 600)),
        (init.kaiming_normal_, (0, "fan_in", "linear"), math.sqrt(1 / 450)),
        (init.normal_, (0.0, 0.5), 0.5),
    ],
)
def test_normal(fill: Any, args: tuple[Any, ...], std: float) -> None:
    values = values_of(fill, *args)
    # The standard error of the mean is std / sqrt(18000), that of the variance sqrt(2) times that.
    error = std / math.sqrt(values.size)
    assert abs(values.mean()) < 5 * error
    assert abs((values**2).mean() - std**2) < 5 * math.sqrt(2) * error * std
    assert abs((numpy.abs(values) < std).mean() - 0.6827) < 5 * 0.0035


def test_constants_and_ranges() -> None:
    assert set(values_of(init.constant_, 1.5).flat) == {1.5}
    assert set(values_of(init.ones_).flat) == {1}
    assert set(values_of(init.zeros_).flat) == {0}
    values = values_of(init.uniform_, 2, 3)
    assert 2 <= values.min() < 2.001 and 2.999 < values.max() <= 3
    values = values_of(init.uniform_)
    assert 0 <= values.min() < 0.001 and 0.999 < values.max() <= 1
    assert abs(values_of(init.normal_, 10.0).mean() - 10) < 5 / math.sqrt(18000)


def test_dtype_is_kept_and_a_seed_repeats() -> None:
    weight = libgnn.empty(4, 4, dtype=libgnn.float64)
    libgnn.manual_seed(5)
    first = init.kaiming_normal_(weight).tolist()
    libgnn.manual_seed(5)
    assert init.kaiming_normal_(weight).tolist() == first
    assert weight.dtype == libgnn.float64


@pytest.mark.parametrize(
    "nonlinearity, param",
    [("linear", None), ("conv2d", None), ("sigmoid", None), ("tanh", None), ("relu", None)]
    + [("leaky_relu", None), ("leaky_relu", 0.2), ("leaky_relu", 1)],
)
def test_gain_against_torch(torch: Any, nonlinearity: str, param: float | None) -> None:
    expected = torch.nn.init.calculate_gain(nonlinearity, param)
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(expected, rel=1e-15)


def test_errors() -> None:
    square = libgnn.empty(2, 2)
    for fill in (
        lambda: init.calculate_gain("foo"),
        lambda: init.kaiming_uniform_(square, mode="fan"),
        lambda: init.kaiming_normal_(square, nonlinearity="foo"),
        lambda: init.xavier_uniform_(libgnn.empty(3)),
        lambda: init.kaiming_normal_(libgnn.empty(3)),
        lambda: init.uniform_(square, 1, 0),
        lambda: init.normal_(square, 0, -1),
        lambda: init.default_(square, -1),
    ):
        with pytest.raises(ValueError):
            fill()


class TestClipping:
    @pytest.mark.parametrize("max_norm", [0.5, 100.0])
    def test_norm_against_torch(
        self, torch: Any, rng: numpy.random.Generator, max_norm: float
    ) -> None:
        shapes = [(3, 4), (5,), (1,)]
        grads = [rng.standard_normal(shape).astype(numpy.float32) for shape in shapes]
        ours = [nn.Parameter(libgnn.zeros(*shape)) for shape in shapes]
        theirs = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
        for i, grad in enumerate(grads[:2]):  # the last has none
            ours[i].grad = libgnn.tensor(grad)
            theirs[i].grad = torch.tensor(grad)
        norm = nn.utils.clip_grad_norm_(iter(ours), max_norm)
        expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
        assert norm.item() == pytest.approx(expected.item(), rel=1e-6)
        for i in range(2):
            numpy.testing.assert_allclose(ours[i].grad.numpy(), theirs[i].grad.numpy(), rtol=1e-6)
        assert ours[2].grad is None

    def test_value(self) -> None:
        weight = nn.Parameter(libgnn.zeros(3))
        weight.grad = libgnn.tensor([-2.0, 0.5, 3.0])
        nn.utils.clip_grad_value_(weight, 1)
        assert weight.grad.tolist() == [-1, 0.5, 1]

    def test_errors(self) -> None:
        weight = nn.Parameter(libgnn.zeros(1))
        weight.grad = libgnn.tensor([math.inf])
        with pytest.raises(libgnn.TrainingError):
            nn.utils.clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
        for clip in (
            lambda: nn.utils.clip_grad_norm_([weight], -1.0),
            lambda: nn.utils.clip_grad_norm_([weight], 1.0, norm_type=1.0),
            lambda: nn.utils.clip_grad_value_([weight], -1.0),
        ):
            with pytest.raises(libgnn.InvalidValueError):
                clip()
        assert weight.grad.tolist() == [math.inf]
        with pytest.raises(TypeError):
            nn.utils.clip_grad_norm_([3], 1.0)
