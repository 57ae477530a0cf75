"""How a tensor is printed: as PyTorch prints it."""

from __future__ import annotations

import math
import typing

if typing.TYPE_CHECKING:
    from libgnn._core import Tensor

_LINE = 80  # columns
_EDGE = 3  # elements shown at both ends of a dimension that is cut short
_MOST = 1000  # elements that are shown in full
_PREFIX = "tensor("

# Where numbers are written with an exponent: apart by more than this factor, or beyond these sizes.
_RANGE = 1000.0
_LARGE = 1e8
_SMALL = 1e-4


def _number_format(numbers: list[float]) -> typing.Callable[[float], str]:
    """One format for all floats of a tensor, chosen by those that are finite and not 0."""
    sizes = [abs(number) for number in numbers]
    smallest, largest = min(sizes, default=1), max(sizes, default=1)
    whole = all(size == math.floor(size) for size in sizes)
    if largest / smallest > _RANGE or largest > _LARGE or (not whole and smallest < _SMALL):
        return lambda number: f"{number:.4e}"
    if whole:
        return lambda number: f"{number:.0f}." if math.isfinite(number) else str(number)
    return lambda number: f"{number:.4f}"


def _elements(tensor: Tensor, cut: bool) -> typing.Any:
    """The elements as nested lists; when cut, with ... in the middle of long dimensions."""
    if not cut or tensor.ndim == 0:
        return tensor.tolist()
    size = len(tensor)
    if size <= 2 * _EDGE:
        return [_elements(part, cut) for part in tensor]
    if tensor.ndim == 1:
        return [*tensor[:_EDGE].tolist(), ..., *tensor[-_EDGE:].tolist()]
    first = [_elements(tensor[i], cut) for i in range(_EDGE)]
    last = [_elements(tensor[i], cut) for i in range(size - _EDGE, size)]
    return [*first, ..., *last]


def _numbers(data: typing.Any) -> typing.Iterator[float]:
    """The numbers in what _elements returns."""
    if isinstance(data, list):
        for part in data:
            yield from _numbers(part)
    elif data is not ...:
        yield data


def _body(data: typing.Any, text: typing.Callable[[float], str], indent: int) -> str:
    """Nested lists in brackets; `indent` columns are to the left of it."""
    if data is ...:
        return "..."
    if not isinstance(data, list):
        return text(data)
    inner = [_body(part, text, indent + 1) for part in data]
    start = " " * (indent + 1)
    if data and isinstance(data[0], list):
        depth, row = 1, data[0]
        while row and isinstance(row[0], list):
            depth, row = depth + 1, row[0]
        return "[" + ("," + "\n" * depth + start).join(inner) + "]"
    inner = [" ..." if part == "..." else part for part in inner]
    per_line = max(1, (_LINE - indent) // (len(inner[0]) + 2)) if inner else 1
    lines = [", ".join(inner[i : i + per_line]) for i in range(0, len(inner), per_line)]
    return "[" + (",\n" + start).join(lines) + "]"


def tensor_repr(tensor: Tensor) -> str:
    """The text "tensor([[1., 2.]], device='cuda:0', requires_grad=True)"."""
    from libgnn import _core

    count = tensor.numel()
    body = "[]"
    if count > 0:
        data = _elements(tensor.detach(), cut=count > _MOST)
        numbers = list(_numbers(data))
        text: typing.Callable[[float], str] = str
        if tensor.dtype.is_floating_point:
            numbers = [number for number in numbers if number != 0 and math.isfinite(number)]
            text = _number_format(numbers)
        width = max((len(text(number)) for number in numbers), default=1)
        body = _body(data, lambda number: f"{text(number):>{width}}", len(_PREFIX))
    notes = []
    if count == 0 and tensor.ndim != 1:
        notes.append(f"size={tensor.shape}")
    usual = [_core.dtype.float32] if count == 0 else [_core.dtype.float32, _core.dtype.int64]
    if tensor.dtype not in usual:
        notes.append(f"dtype={tensor.dtype}")
    if tensor.is_cuda:
        notes.append(f"device='{tensor.device}'")
    if tensor.requires_grad:
        notes.append("requires_grad=True" if tensor.is_leaf else "grad_fn=True")
    result = _PREFIX + body
    for note in notes:
        column = len(result) - (result.rfind("\n") + 1)
        fits = column + len(", ") + len(note) < _LINE
        result += (", " if fits else ",\n" + " " * len(_PREFIX)) + note
    return result + ")"
