"""What max() over a dimension returns."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from libgnn._core import Tensor


class MaxResult(typing.NamedTuple):
    """The largest elements along a dimension, and their indices (int64)."""

    values: Tensor
    indices: Tensor
