"""Tensors in safetensors files, with PyTorch's names; there is no code in such a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

from libgnn import _core
from libgnn._core import Tensor

if TYPE_CHECKING:
    from libgnn.nn import Module

__all__ = ["Path", "load", "load_metadata", "save", "sha256"]

Path = Union[str, "os.PathLike[str]"]
Tensors = Union["Module", Mapping[str, Tensor]]


def _pairs(function: str, tensors: Tensors) -> list[tuple[str, Tensor]]:
    state = tensors.state_dict() if hasattr(tensors, "state_dict") else tensors
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise TypeError(
            f"{function}: expected a Module or a dict of names and Tensors, "
            f"got {type(tensors).__name__}"
        )
    return list(state.items())


def save(tensors: Tensors, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors to a safetensors file, which appears whole or not at all.

    >>> import libgnn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     libgnn.save({"x": libgnn.ones(2)}, folder + "/x.safetensors", {"epoch": "3"})
    ...     print(libgnn.load(folder + "/x.safetensors"))
    ...     print(libgnn.load_metadata(folder + "/x.safetensors"))
    {'x': tensor([1., 1.])}
    {'epoch': '3'}

    Args:
        tensors: a Module, whose state_dict() is saved, or a dict of names and tensors, on any
            device. What PyTorch's safetensors.torch.load_file() gives is what it was.
        path: of the file.
        metadata: free text that travels with the tensors. A Module's file has "format": "pt" as
            well, by which other programs know that names and layouts are PyTorch's.

    Raises:
        TypeError: for anything else.
        ValueError: for a name that is reserved ("__metadata__") or not UTF-8.
        DataError: when the file cannot be written.
    """
    pairs = _pairs("save", tensors)
    texts = dict(metadata or {})
    if not isinstance(tensors, Mapping):
        texts.setdefault("format", "pt")
    _core.save_tensors(path, pairs, texts)


def load(path: Path, device: _core.device | str = "cpu") -> dict[str, Tensor]:
    """Reads all tensors of a safetensors file, in the order of their data.

    Args:
        path: of a file that save(), C++ or PyTorch's safetensors.torch.save_file() wrote.
        device: where the tensors are to be.

    Raises:
        DataError: naming the file and the byte or tensor, for a file that is missing, truncated,
            damaged, or has a dtype that libgnn lacks. Every field of its header is checked before
            memory is allocated.
    """
    return dict(_core.load_tensors(path, device))


def load_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; its tensors are not read. Raises DataError as load()."""
    return dict(_core.load_metadata(path))


def sha256(tensors: Tensors) -> str:
    """SHA-256, in hexadecimal, of a Module's state_dict() or of a dict of names and tensors.

    For each tensor it takes the text "NAME DTYPE SHAPE\\n" and the tensor's bytes, so that two are
    equal exactly when names, dtypes, shapes and all bits are. C++'s gnn::sha256 is the same.

    >>> import libgnn
    >>> libgnn.sha256({"x": libgnn.zeros(1)})[:16]
    '936ee483f81e3b22'
    """
    return _core.sha256(_pairs("sha256", tensors))
