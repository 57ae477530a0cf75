"""Parameter: a tensor that a Module trains."""

from __future__ import annotations

from typing import Any

from libgnn._core import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    It shares the memory of ``data``, is a leaf of the tape and requires a gradient, unless
    ``requires_grad`` is False.

    Args:
        data: the values; of a floating dtype if a gradient is required.
        requires_grad: whether backward() fills its ``grad``.

    Raises:
        TypeError: ``data`` is not a Tensor.
        DTypeError: a gradient is required for an integer tensor.

    >>> import libgnn
    >>> weight = libgnn.nn.Parameter(libgnn.zeros(2, 3))
    >>> weight.requires_grad, weight.is_leaf
    (True, True)
    """

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a Tensor, got {type(data).__name__}")
        super().__init__(data.detach())
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        return type(self)(self.detach().clone(), self.requires_grad)
