"""libgnn: small, fast deep learning in C++ and CUDA, with PyTorch's names.

    >>> import libgnn
    >>> x = libgnn.tensor([[1.0, 2.0]], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([[2., 4.]])

"gnn" is "GPU neural network", not graph networks. docs/python.md lists what differs from PyTorch.
"""

from __future__ import annotations

from libgnn import _core, autograd, cuda, models, nn
from libgnn._core import (
    AutogradError,
    CaptureError,
    CudaError,
    DataError,
    DeviceError,
    DTypeError,
    Error,
    IndexOutOfRangeError,
    InvalidValueError,
    OutOfMemoryError,
    ShapeError,
    Tensor,
    TrainingError,
    abs,
    add,
    all,
    amax,
    any,
    arange,
    argmax,
    as_tensor,
    ceil,
    clamp,
    cos,
    device,
    div,
    dtype,
    empty,
    empty_like,
    eq,
    equal,
    exp,
    expm1,
    flatten,
    floor,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    ge,
    get_float32_matmul_precision,
    get_num_threads,
    get_rng_state,
    gt,
    initial_seed,
    is_grad_enabled,
    le,
    log,
    log1p,
    log_softmax,
    lt,
    manual_seed,
    matmul,
    max,
    maximum,
    mean,
    minimum,
    mm,
    mul,
    ne,
    neg,
    ones,
    ones_like,
    pow,
    rand,
    rand_like,
    randn,
    randn_like,
    reciprocal,
    relu,
    reshape,
    round,
    rsqrt,
    set_conv2d_algorithm,
    set_float32_matmul_precision,
    set_num_threads,
    set_rng_state,
    sigmoid,
    sign,
    sin,
    softmax,
    sqrt,
    square,
    squeeze,
    sub,
    sum,
    t,
    tanh,
    tensor,
    transpose,
    unsqueeze,
    zeros,
    zeros_like,
)
from libgnn._summary import summary
from libgnn.autograd import enable_grad, no_grad, set_grad_enabled

__version__: str = _core.version

float32 = dtype.float32
float64 = dtype.float64
float16 = dtype.float16
bfloat16 = dtype.bfloat16
int32 = dtype.int32
int64 = dtype.int64
uint8 = dtype.uint8
float = float32
double = float64
half = float16
long = int64

_names = [name for name in globals() if not name.startswith("_") and name != "annotations"]
__all__ = _names
