"""Layers and losses as functions: PyTorch's names, argument order and defaults."""

from __future__ import annotations

from libgnn import _core
from libgnn._core import (
    InvalidValueError,
    Tensor,
    avg_pool2d,
    conv2d,
    conv2d_pool,
    cross_entropy,
    dropout,
    elu,
    gelu,
    heaviside_step,
    l1_loss,
    leaky_relu,
    linear,
    linear_relu,
    max_pool2d,
    mse_loss,
    relu,
    sigmoid,
    silu,
    softplus,
    tanh,
)

__all__ = [
    "avg_pool2d",
    "conv2d",
    "conv2d_pool",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "heaviside_step",
    "l1_loss",
    "leaky_relu",
    "linear",
    "linear_relu",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def softmax(input: Tensor, dim: int | None = None) -> Tensor:
    """exp(x) / sum of exp(x) along ``dim``; stable for inputs of any size.

    Args:
        input: any shape with at least one dimension, float32 or float64.
        dim: the dimension that sums to 1. None is the last of up to two; for more it has to be
            named, since PyTorch takes another there.

    Raises:
        IndexError: ``dim`` is out of range.
        ValueError: ``dim`` is not named for more than two dimensions.
        TypeError: another dtype.

    >>> import libgnn
    >>> softmax(libgnn.zeros(1, 2), dim=1).tolist()
    [[0.5, 0.5]]
    """
    return _core.softmax(input, _named("softmax", input, dim))


def log_softmax(input: Tensor, dim: int | None = None) -> Tensor:
    """log(softmax(x)): accurate where softmax rounds to 0. Arguments and errors as softmax()."""
    return _core.log_softmax(input, _named("log_softmax", input, dim))


def _named(op: str, input: Tensor, dim: int | None) -> int:
    if dim is None and input.ndim > 2:
        raise InvalidValueError(f"{op}: say which dim is meant for an input of {input.ndim}")
    return -1 if dim is None else dim
