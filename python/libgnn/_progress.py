"""What Trainer.fit() shows its progress with."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from libgnn import _core

__all__ = ["Display", "progress_display"]


class Display:
    """Shows nothing; Python looks for Ctrl-C whenever it is called."""

    def __call__(self, state: _core.ProgressState) -> None:
        """Shows the state."""

    def close(self) -> None:
        """Ends what an exception left unfinished."""


class _Plain(Display):
    """C++'s own: a bar on a terminal, plain lines elsewhere, on stderr."""

    def __call__(self, state: _core.ProgressState) -> None:
        if state.done == 0:
            self._bar = _core.Progress(state.label, state.total)
        if state.finished:
            self._bar.finish(f"{state.label}  {state.note}")
        else:
            self._bar.update(state.done, state.note)


class _Tqdm(Display):
    """One bar of tqdm for each epoch."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None

    def __call__(self, state: _core.ProgressState) -> None:
        if state.done == 0:
            self._bar = self._tqdm(total=state.total, desc=state.label, unit=f" {state.unit}")
        self._bar.set_postfix_str(state.note, refresh=False)
        self._bar.update(state.done - self._bar.n)
        if state.finished:
            self._bar.refresh()
            self._bar.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def progress_display(progress: bool) -> Display:
    """tqdm's bars on a terminal and in notebooks, where it is installed; else C++'s own."""
    if not progress:
        return Display()
    in_notebook = "ipykernel" in sys.modules
    if in_notebook or sys.stderr.isatty():
        try:
            return _Tqdm(importlib.import_module("tqdm.auto").tqdm)
        except ImportError:
            pass
    return _Plain()
