"""Arguments that PyTorch has and libgnn lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from libgnn._core import InvalidValueError

__all__ = ["reject_unsupported"]


def reject_unsupported(
    function: str, given: Mapping[str, Any], known: Mapping[str, tuple[Sequence[Any], str]]
) -> None:
    """Accepts arguments that libgnn lacks where they ask for nothing.

    Args:
        function: its name, for errors.
        given: the keyword arguments.
        known: for each argument the values that ask for nothing, the default first, and what to do
            instead of asking.

    Raises:
        TypeError: for an argument that PyTorch does not have either.
        ValueError: for one with another value.
    """
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        values, advice = known[name]
        if value not in values:
            raise InvalidValueError(
                f"{function}: libgnn has no {name}, so that it can only be {values[0]!r}, "
                f"got {value!r}; {advice}"
            )
