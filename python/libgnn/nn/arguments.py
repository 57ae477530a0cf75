"""Checks of the layers' arguments."""

from __future__ import annotations

import operator
from typing import Any, Union

__all__ = ["Size2", "pair", "whole"]

Size2 = Union[int, "tuple[int, int]"]


def whole(what: str, value: Any) -> int:
    """A whole number. Raises TypeError for anything else."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{what}: expected a whole number, got {value!r}")


def pair(what: str, value: Any) -> tuple[int, int]:
    """A whole number as a height and a width; a pair of them as it is. Raises TypeError."""
    if not isinstance(value, (tuple, list)):
        return whole(what, value), whole(what, value)
    if len(value) != 2:
        raise TypeError(f"{what}: expected one whole number or two, got {value!r}")
    return whole(what, value[0]), whole(what, value[1])
