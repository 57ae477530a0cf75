"""Tensors in safetensors files, with PyTorch's names; there is no code in such a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Union

from libgnn import _core, _structure
from libgnn._core import Tensor

__all__ = ["Path", "load", "load_metadata", "save", "sha256"]

Path = Union[str, "os.PathLike[str]"]


def _pairs(function: str, tensors: Any) -> list[tuple[str, Tensor]]:
    state = tensors.state_dict() if hasattr(tensors, "state_dict") else tensors
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise TypeError(
            f"{function}: expected a Module or a dict of names and Tensors, "
            f"got {type(tensors).__name__}"
        )
    return list(state.items())


def save(obj: Any, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors to a safetensors file, which appears whole or not at all.

    >>> import libgnn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     libgnn.save({"x": libgnn.ones(2)}, folder + "/x.safetensors", {"epoch": "3"})
    ...     print(libgnn.load(folder + "/x.safetensors"))
    ...     print(libgnn.load_metadata(folder + "/x.safetensors"))
    {'x': tensor([1., 1.])}
    {'epoch': '3'}

    Args:
        obj: a Module, whose state_dict() is saved, or a dict of names and tensors, on any device:
            what PyTorch's safetensors.torch.load_file() gives for the file is that dict. Or a dict
            of more: tensors, state dicts, lists, numbers, texts, as in {"model":
            model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}. There its tensors
            have their paths for names, and the rest is JSON in the metadata.
        path: of the file.
        metadata: free text that travels with the tensors. A Module's file has "format": "pt" as
            well, by which other programs know that names and layouts are PyTorch's.

    Raises:
        TypeError: for anything else.
        ValueError: for a name that is reserved ("__metadata__"), repeated or not UTF-8.
        DataError: when the file cannot be written.
    """
    texts = dict(metadata or {})
    if isinstance(obj, Mapping) and not all(isinstance(value, Tensor) for value in obj.values()):
        pairs, texts[_structure.KEY] = _structure.pack(obj)
    else:
        pairs = _pairs("save", obj)
    if not isinstance(obj, Mapping):
        texts.setdefault("format", "pt")
    _core.save_tensors(path, pairs, texts)


def load(path: Path, device: _core.device | str = "cpu") -> dict[str, Any]:
    """Reads what save() wrote: all tensors of a safetensors file, and what was saved with them.

    Args:
        path: of a file that save(), C++ or PyTorch's safetensors.torch.save_file() wrote.
        device: where the tensors are to be.

    Returns:
        The dict that was saved; a Module's state_dict(). Tensors are in the order of their data.

    Raises:
        DataError: naming the file and the byte or tensor, for a file that is missing, truncated,
            damaged, or has a dtype that libgnn lacks. Every field of its header is checked before
            memory is allocated.
    """
    tensors = dict(_core.load_tensors(path, device))
    text = _core.load_metadata(path).get(_structure.KEY)
    if text is None:
        return tensors
    try:
        return _structure.unpack(text, tensors)
    except _core.DataError as error:
        raise _core.DataError(f"cannot read '{os.fspath(path)}': {error}") from None


def load_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; its tensors are not read. Raises DataError as load()."""
    return dict(_core.load_metadata(path))


def sha256(tensors: Any) -> str:
    """SHA-256, in hexadecimal, of a Module's state_dict() or of a dict of names and tensors.

    For each tensor it takes the text "NAME DTYPE SHAPE\\n" and the tensor's bytes, so that two are
    equal exactly when names, dtypes, shapes and all bits are. C++'s gnn::sha256 is the same.

    >>> import libgnn
    >>> libgnn.sha256({"x": libgnn.zeros(1)})[:16]
    '936ee483f81e3b22'
    """
    return _core.sha256(_pairs("sha256", tensors))
