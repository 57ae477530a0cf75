"""Data sets and loaders: `libgnn.utils.data`."""

from __future__ import annotations

from libgnn.utils import data

__all__ = ["data"]
