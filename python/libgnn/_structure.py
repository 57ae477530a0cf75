"""Nested dicts and lists of tensors and plain values, as tensors with names and a text in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from libgnn._core import DataError, Tensor

__all__ = ["KEY", "pack", "unpack"]

KEY = "libgnn.structure"  # of the text in a file's metadata


def pack(tree: Mapping[Any, Any]) -> tuple[list[tuple[str, Tensor]], str]:
    """The tensors of a tree, named by their paths ("optimizer.state.0.exp_avg"), and the rest.

    Raises:
        TypeError: naming the path, for a value that is no tensor, dict, list, tuple, number, text
            or None, and for a key that is neither text nor a whole number.
    """
    tensors: list[tuple[str, Tensor]] = []

    def encode(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors.append((path, value))
            return {"tensor": path}
        if isinstance(value, Mapping):
            for key in value:
                if type(key) is not str and type(key) is not int:
                    raise TypeError(f"save: a key is a str or an int, not {key!r} as in {path!r}")
            start = f"{path}." if path else ""
            return {"dict": [[key, encode(item, f"{start}{key}")] for key, item in value.items()]}
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [encode(entry, f"{path}.{i}") for i, entry in enumerate(value)]}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise TypeError(f"save: {path!r} is a {type(value).__name__}, which a file cannot hold")

    return tensors, json.dumps(encode(tree, ""))


def unpack(text: str, tensors: Mapping[str, Tensor]) -> dict[Any, Any]:
    """The tree that pack() took apart. Raises DataError for a text that pack() did not write."""

    def decode(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        ((kind, content),) = node.items()
        if kind == "tensor":
            return tensors[content]
        if kind == "dict":
            return {key: decode(entry) for key, entry in content}
        if kind in ("list", "tuple"):
            entries = [decode(entry) for entry in content]
            return entries if kind == "list" else tuple(entries)
        raise ValueError(kind)

    try:
        tree = decode(json.loads(text))
        if not isinstance(tree, dict):
            raise ValueError(tree)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise DataError(f"the metadata {KEY!r} is damaged: {what}") from None
    return tree
