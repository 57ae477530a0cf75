"""How a tensor is printed: as PyTorch prints it, by NumPy's formatting."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from libgnn._core import Tensor


def tensor_repr(tensor: Tensor) -> str:
    """The text "tensor([[1., 2.]], device='cuda:0', requires_grad=True)"."""
    import numpy as np

    from libgnn import _core

    values = tensor.detach().cpu()
    if values.dtype in (_core.dtype.bfloat16, _core.dtype.float16):
        values = values.float()
    array = values.numpy()
    prefix = "tensor("
    whole = array.dtype.kind != "f" or bool(np.all(array == np.trunc(array)))
    body = np.array2string(
        array,
        precision=4,
        floatmode="maxprec" if whole else "fixed",
        separator=", ",
        prefix=prefix,
        max_line_width=80,
    )
    if tensor.numel() == 0:
        body = "[]"
    notes = []
    if tensor.numel() == 0 and tensor.ndim != 1:
        notes.append(f"size={tensor.shape}")
    if tensor.dtype not in (_core.dtype.float32, _core.dtype.int64):
        notes.append(f"dtype={tensor.dtype}")
    if tensor.is_cuda:
        notes.append(f"device='{tensor.device}'")
    if tensor.requires_grad:
        notes.append("requires_grad=True" if tensor.is_leaf else "grad_fn=True")
    return prefix + ", ".join([body, *notes]) + ")"
