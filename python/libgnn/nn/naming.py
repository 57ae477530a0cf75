"""Which layer an error comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libgnn._core import Error

if TYPE_CHECKING:
    from libgnn.nn.module import Module

__all__ = ["name_layer"]


def name_layer(error: Error, module: Module) -> None:
    """Called as an error leaves ``module``, innermost first: its message then ends in the path
    from this module to the innermost one, "... [in layer features.0]"."""
    notes = error.__dict__
    if "_layer" not in notes:
        notes.update(_layer=module, _message=str(error), _path="")
        return
    for name, part in module.named_modules():
        if part is notes["_layer"] and name:
            notes["_path"] = f"{name}.{notes['_path']}" if notes["_path"] else name
            error.args = (f"{notes['_message']} [in layer {notes['_path']}]",)
            break
    notes["_layer"] = module
