"""Functions that a module calls when it runs."""

from __future__ import annotations

from typing import Any

__all__ = ["RemovableHandle"]


class RemovableHandle:
    """Takes a hook away again: by remove(), or at the end of a ``with`` statement."""

    _last_id = 0

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        RemovableHandle._last_id += 1
        self.id = RemovableHandle._last_id
        self._hooks = hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        """Takes the hook away; does nothing the second time."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
