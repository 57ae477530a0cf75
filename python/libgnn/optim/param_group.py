"""Parameters that are updated with the same settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from libgnn import _core

__all__ = ["ParamGroup"]


class ParamGroup(MutableMapping[str, Any]):
    """One of `optimizer.param_groups`: a dict of a group's settings, by PyTorch's names.

    'lr' and 'weight_decay' can be set and hold from the next step on; 'params' is the list of the
    group's parameters; 'initial_lr' is there where a schedule was made. The other settings are the
    optimizer's, the same in all of its groups.

    Raises:
        KeyError: for a setting that the optimizer does not have.
        ValueError: when one is set out of its range, or one is set that cannot change.
    """

    def __init__(
        self,
        native: _core.Optimizer,
        index: int,
        params: list[_core.Tensor],
        shared: Mapping[str, Any],
    ) -> None:
        self._native = native
        self._index = index
        self._params = params
        self._shared = shared
        self._own: dict[str, float] = {}

    def _keys(self) -> list[str]:
        return ["params", *self._shared, *self._own]

    def __getitem__(self, key: str) -> Any:
        if key == "params":
            return self._params
        if key == "lr":
            return self._native.lr(self._index)
        if key == "weight_decay":
            return self._native.weight_decay(self._index)
        return self._own[key] if key in self._own else self._shared[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key == "lr":
            self._native.set_lr(self._index, value)
        elif key == "weight_decay":
            self._native.set_weight_decay(self._index, value)
        elif key == "initial_lr":
            self._own[key] = float(value)
        elif self[key] is not value and (key == "params" or self[key] != value):
            raise _core.InvalidValueError(
                f"param_groups: {key!r} is the same in all groups and cannot change; "
                "make another optimizer"
            )

    def __delitem__(self, key: str) -> None:
        if key not in self._own:
            raise _core.InvalidValueError(f"param_groups: {key!r} cannot be removed")
        del self._own[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def __repr__(self) -> str:
        return repr(dict(self))
