"""Arrays that tests exchange with NumPy and others."""

from __future__ import annotations

import gc
import typing

import numpy

import libgnn

NUMPY_DTYPES = ["float32", "float64", "float16", "int32", "int64", "uint8"]
DTYPES = [*NUMPY_DTYPES, "bfloat16"]
SHAPES: list[tuple[int, ...]] = [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0, 3), (1,) * 8]


def numbers(shape: tuple[int, ...], name: str) -> typing.Any:
    return numpy.arange(int(numpy.prod(shape)), dtype=name).reshape(shape)


def live_bytes() -> int:
    gc.collect()
    return libgnn.cuda.memory_stats("cpu")["allocated_bytes"]
