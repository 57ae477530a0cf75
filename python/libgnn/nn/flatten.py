"""Changes of shape."""

from __future__ import annotations

from libgnn import _core
from libgnn._core import Tensor
from libgnn.nn.module import Layer

__all__ = ["Flatten"]


class Flatten(Layer):
    """Merges the dimensions start_dim to end_dim, both included, into one; a view.

    By default the leading (batch) dimension stays. Negative numbers count from the end.

    Raises:
        IndexError: when called, a dimension is out of range.
        ValueError: when called, start_dim comes after end_dim.

    >>> import libgnn
    >>> Flatten()(libgnn.zeros(32, 1, 5, 5)).shape
    (32, 25)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return _core.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
