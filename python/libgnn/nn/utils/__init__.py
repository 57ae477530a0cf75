"""Tools for training: limits for gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Union

from libgnn import _core
from libgnn._core import Tensor
from libgnn._unsupported import reject_unsupported

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

_UNSUPPORTED = {"norm_type": ((2,), "other norms have to be computed by hand")}

Tensors = Union[Tensor, "Iterable[Tensor]"]


def _list(parameters: Tensors) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def clip_grad_norm_(
    parameters: Tensors, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales all gradients in place so that their common L2 norm is at most ``max_norm``.

    The factor is max_norm / (norm + 1e-6) where that is below 1.

    Args:
        parameters: one tensor, or several; those without a gradient do not count.
        max_norm: not negative.
        norm_type: only 2.
        error_if_nonfinite: whether a norm that is NaN or infinite is an error; waits for CUDA.

    Returns:
        The norm that the gradients had, a float64 scalar on their device.

    Raises:
        ValueError: ``max_norm`` is negative or NaN, or ``norm_type`` another.
        TrainingError: the norm is not finite, if that is an error; nothing is changed then.
        DeviceError: gradients on different devices.

    >>> import libgnn
    >>> weight = libgnn.ones(4, requires_grad=True)
    >>> (weight * 3).sum().backward()
    >>> clip_grad_norm_(weight, 1.5).item()
    6.0
    >>> [round(value, 4) for value in weight.grad.tolist()]
    [0.75, 0.75, 0.75, 0.75]
    """
    reject_unsupported("clip_grad_norm_", {"norm_type": norm_type}, _UNSUPPORTED)
    return _core.clip_grad_norm(_list(parameters), max_norm, error_if_nonfinite)


def clip_grad_value_(parameters: Tensors, clip_value: float) -> None:
    """Limits every element of all gradients to [-clip_value, clip_value], in place.

    Raises:
        ValueError: ``clip_value`` is negative or NaN.

    >>> import libgnn
    >>> weight = libgnn.ones(2, requires_grad=True)
    >>> (weight * 3).sum().backward()
    >>> clip_grad_value_([weight], 0.5)
    >>> weight.grad.tolist()
    [0.5, 0.5]
    """
    _core.clip_grad_value(_list(parameters), clip_value)
