"""Dropout."""

from __future__ import annotations

from libgnn import _core
from libgnn._core import InvalidValueError, Tensor
from libgnn._unsupported import reject_unsupported
from libgnn.nn.module import Layer

__all__ = ["Dropout"]

_UNSUPPORTED = {"inplace": ((False,), "leave it out, the result is always a new tensor")}


class Dropout(Layer):
    """In training, 0 for each element with probability p and x / (1 - p) for the others; x itself
    in evaluation.

    Srivastava et al., "Dropout" (2014). Random numbers come from libgnn's generator, so that
    ``libgnn.manual_seed`` makes them the same on every device. Any shape, float32 or float64.

    Args:
        p: the probability, in [0, 1].
        inplace: only False.

    Raises:
        ValueError: another ``p``, ``inplace=True``.

    >>> import libgnn
    >>> layer = Dropout(0.2).eval()
    >>> layer(libgnn.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        reject_unsupported("Dropout", {"inplace": inplace}, _UNSUPPORTED)
        if not 0 <= p <= 1:
            raise InvalidValueError(f"Dropout: expected a probability 0 <= p <= 1, got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return _core.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
