"""Initial values of parameters: functions that fill a tensor in place and return it.

Names, defaults and formulas are PyTorch's. Random numbers come from libgnn's generator, so
``libgnn.manual_seed`` makes them the same on every device. They are never recorded.

A weight's fan-in is the number of inputs that one of its outputs is computed from: ``shape[1]``
times the sizes behind it; its fan-out is ``shape[0]`` times those.
"""

from __future__ import annotations

from libgnn import _core
from libgnn._core import Tensor
from libgnn.autograd import no_grad

__all__ = [
    "calculate_gain",
    "constant_",
    "default_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much an activation shrinks the standard deviation of what passes it.

    1 for "linear", "conv2d" and "sigmoid", 5/3 for "tanh", sqrt(2) for "relu", and
    sqrt(2 / (1 + param^2)) for "leaky_relu" with slope ``param`` (0.01 by default).

    Raises:
        ValueError: another ``nonlinearity``.

    >>> calculate_gain("leaky_relu", 1)
    1.0
    """
    return _core.calculate_gain(nonlinearity, param)


def _fill(tensor: Tensor, values: Tensor) -> Tensor:
    with no_grad():
        tensor.copy_(values)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Numbers uniform in [a, b). Raises ValueError unless a <= b, both finite."""
    with no_grad():
        tensor.uniform_(a, b)
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Numbers of the normal distribution. Raises ValueError for a negative ``std``."""
    with no_grad():
        tensor.normal_(mean, std)
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """The same number everywhere."""
    with no_grad():
        tensor.fill_(val)
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return constant_(tensor, 0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform in [-b, b) with b = gain * sqrt(6 / (fan_in + fan_out)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010). Raises ValueError for fewer than 2 dimensions.

    >>> import libgnn
    >>> weight = xavier_uniform_(libgnn.empty(2, 4))
    >>> weight.abs().max().item() <= 1
    True
    """
    return _fill(tensor, _core.init_xavier_uniform(tensor.shape, gain))


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal with mean 0 and standard deviation gain * sqrt(2 / (fan_in + fan_out)).

    Source and errors as xavier_uniform_().
    """
    return _fill(tensor, _core.init_xavier_normal(tensor.shape, gain))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Uniform in [-b, b) with b = gain * sqrt(3 / fan).

    He et al., "Delving Deep into Rectifiers" (2015).

    Args:
        tensor: a weight of 2 or more dimensions.
        a: the slope of a leaky_relu behind the layer; 0 is relu.
        mode: "fan_in" keeps the variance of activations on the way forward, "fan_out" that of
            gradients on the way back.
        nonlinearity: as calculate_gain() takes it.

    Raises:
        ValueError: another ``mode`` or ``nonlinearity``, fewer than 2 dimensions.
    """
    return _fill(tensor, _core.init_kaiming_uniform(tensor.shape, a, mode, nonlinearity))


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Normal with mean 0 and standard deviation gain / sqrt(fan).

    Source, arguments and errors as kaiming_uniform_().
    """
    return _fill(tensor, _core.init_kaiming_normal(tensor.shape, a, mode, nonlinearity))


def default_(tensor: Tensor, fan_in: int) -> Tensor:
    """Uniform in [-b, b) with b = 1 / sqrt(fan_in): the default of Linear and Conv2d.

    Raises ValueError for a negative ``fan_in``; 0 gives zeros.
    """
    return _fill(tensor, _core.init_uniform_fan_in(tensor.shape, fan_in))
