"""What Module.to() does with its arguments and with each tensor."""

from __future__ import annotations

from typing import Any, Union

from libgnn import _core
from libgnn._core import Tensor

__all__ = ["DeviceLike", "destination", "move"]

DeviceLike = Union[str, "_core.device"]


def destination(
    *args: Any,
    device: DeviceLike | None = None,
    dtype: _core.dtype | None = None,
    tensor: Tensor | None = None,
) -> tuple[DeviceLike | None, _core.dtype | None]:
    """The arguments of Module.to() as a device and a dtype; None: as it is."""
    for arg in (*args, tensor):
        if isinstance(arg, Tensor):
            device, dtype = arg.device, arg.dtype
        elif isinstance(arg, _core.dtype):
            dtype = arg
        elif isinstance(arg, (str, _core.device)):
            device = arg
        elif arg is not None:
            raise TypeError(
                f"Module.to: expected a device, a dtype or a tensor, got {type(arg).__name__}"
            )
    return device, dtype


def move(tensor: Tensor, device: DeviceLike | None, dtype: _core.dtype | None) -> None:
    """Tensor.to(), in place, for a leaf and its gradient."""

    def moved(values: Tensor) -> Tensor:
        values = values if dtype is None else values.to(dtype)
        return values if device is None else values.to(device)

    grad = tensor.grad
    result = moved(tensor.detach())
    if result.device != tensor.device or result.dtype != tensor.dtype:
        tensor._set_data(result)
        tensor.grad = None if grad is None else moved(grad)
