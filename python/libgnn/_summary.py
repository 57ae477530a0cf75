"""summary(): what each layer of a model makes of an input, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from libgnn import _core
from libgnn._core import Tensor
from libgnn.autograd import no_grad

if TYPE_CHECKING:
    from libgnn.nn import Module

__all__ = ["summary"]

_HEAD = ("Layer", "Output", "Parameters", "Output memory")


def summary(model: Module, input_shape: Sequence[int]) -> str:
    """Runs the model once on zeros and lists what its layers made of it.

    In evaluation mode, without recording, on the device and with the dtype of the first
    parameter. Layers come in the order in which they run; functions called without a layer do
    not appear.

    Args:
        model: takes one tensor.
        input_shape: of it, with the batch's dimension.

    Returns:
        The table; memory is that of the layers' outputs, and below that of parameters, their
        gradients and all outputs.

    Raises:
        Error: whatever the model raises.

    >>> import libgnn
    >>> print(libgnn.summary(libgnn.nn.Sequential(libgnn.nn.Linear(4, 2)), (8, 4)))
    Layer                                                  Output  Parameters  Output memory
    ----------------------------------------------------------------------------------------
    Sequential                                             [8, 2]                       64 B
      0: Linear(in_features=4, out_features=2, bias=True)  [8, 2]          10           64 B
    ----------------------------------------------------------------------------------------
    Input            [8, 4]
    Parameters       10 (40 B)
    Training memory  144 B (parameters, gradients and layer outputs)
    """
    rows, outputs = _run(model, tuple(input_shape))
    parameters = list(model.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    weights = sum(parameter.nbytes for parameter in parameters)
    buffers = sum(buffer.nbytes for buffer in model.buffers())

    table = [_HEAD, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    lines = [
        f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}"
        for a, b, c, d in table
    ]
    rule = "-" * len(lines[0])
    lines[1:1] = [rule]
    lines += [
        rule,
        f"Input            {list(input_shape)}",
        f"Parameters       {count:,} ({_bytes(weights)})",
        *([f"Buffers          {_bytes(buffers)}"] if buffers else []),
        f"Training memory  {_bytes(2 * weights + buffers + outputs)} "
        "(parameters, gradients and layer outputs)",
    ]
    return "\n".join(lines)


def _run(model: Module, shape: tuple[int, ...]) -> tuple[list[tuple[str, str, str, str]], int]:
    """A row for each layer that ran, parents first, and the bytes of the innermost outputs."""
    rows: list[Any] = []
    running: list[tuple[Module, int]] = []  # with their rows
    with_children: set[int] = set()
    counted: set[int] = set()
    memory = 0

    def before(module: Module, args: Any) -> None:
        own = list(module.parameters(recurse=False))
        count = sum(parameter.numel() for parameter in own if id(parameter) not in counted)
        counted.update(id(parameter) for parameter in own)
        label = type(module).__name__ if list(module.children()) else repr(module)
        if running:
            parent, row = running[-1]
            with_children.add(row)
            label = f"{_path(parent, module)}: {label}"
        rows.append(("  " * len(running) + label, f"{count:,}" if count else ""))
        running.append((module, len(rows) - 1))

    def after(module: Module, args: Any, output: Any) -> None:
        nonlocal memory
        _, row = running.pop()
        tensor = output if isinstance(output, Tensor) else None
        size = 0 if tensor is None else tensor.nbytes
        memory += 0 if row in with_children else size
        head, count = rows[row]
        rows[row] = (head, "" if tensor is None else str(list(tensor.shape)), count, _bytes(size))

    first = next(model.parameters(), None)
    device = None if first is None else first.device
    zeros = _core.zeros(*shape, dtype=None if first is None else first.dtype, device=device)
    modes = [(module, module.training) for module in model.modules()]
    hooks = []
    try:
        for module, _ in modes:
            hooks.append(module.register_forward_pre_hook(before))
            hooks.append(module.register_forward_hook(after))
        model.eval()
        with no_grad():
            model(zeros)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return rows, memory


def _path(parent: Module, module: Module) -> str:
    """From one module to another inside it; empty where it is not."""
    paths = (path for path, part in parent.named_modules(remove_duplicate=False) if part is module)
    return next(paths, "")


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count} B" if unit == "B" else f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} TiB"
