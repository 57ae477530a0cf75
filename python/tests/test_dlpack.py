"""DLPack and the buffer protocol."""

from __future__ import annotations

import array
import gc
import importlib
import types
import typing

import numpy
import pytest
from arrays import DTYPES, NUMPY_DTYPES, SHAPES, live_bytes, numbers

import libgnn

# --- DLPack -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_dlpack_with_pytorch(torch: types.ModuleType, name: str, shape: tuple[int, ...]) -> None:
    ours = libgnn.tensor(numbers(shape, "int64"), dtype=getattr(libgnn, name))
    theirs = torch.from_dlpack(ours)
    assert tuple(theirs.shape) == shape and str(theirs.dtype) == f"torch.{name}"
    assert theirs.tolist() == ours.tolist()
    back = libgnn.from_dlpack(theirs)
    assert (back.shape, back.dtype) == (shape, ours.dtype)
    if ours.numel() > 0:
        assert theirs.data_ptr() == ours.data_ptr() == back.data_ptr()
        theirs.fill_(1)
        assert ours.tolist() == back.tolist() == theirs.tolist()
    original = ours.tolist()
    del ours, back
    gc.collect()
    assert theirs.tolist() == original


@pytest.mark.parametrize("name", NUMPY_DTYPES)
def test_dlpack_with_numpy(name: str) -> None:
    source = numbers((2, 3), name)
    ours = libgnn.from_dlpack(source)
    assert ours.data_ptr() == source.ctypes.data and ours.tolist() == source.tolist()
    assert numpy.from_dlpack(ours).ctypes.data == source.ctypes.data
    again = libgnn.from_dlpack(libgnn.ones(2, dtype=getattr(libgnn, name)))
    assert again.tolist() == [1, 1]


def test_dlpack_with_jax() -> None:
    pytest.importorskip("jax")
    jnp = importlib.import_module("jax.numpy")
    dlpack = importlib.import_module("jax.dlpack")
    for name in ("float32", "float16", "bfloat16", "int32", "uint8"):
        ours = libgnn.tensor([[1, 2, 3], [4, 5, 6]], dtype=getattr(libgnn, name))
        theirs = dlpack.from_dlpack(ours)
        assert theirs.tolist() == ours.tolist() and str(theirs.dtype) == name
        result = libgnn.tensor(numpy.asarray((theirs * 2).astype(jnp.float32)))
        assert result.tolist() == [[2, 4, 6], [8, 10, 12]]
        assert libgnn.from_dlpack(theirs).tolist() == ours.tolist()


def test_dlpack_device() -> None:
    assert libgnn.ones(1).__dlpack_device__() == (1, 0)


def test_dlpack_refuses_what_it_cannot_give() -> None:
    leaf = libgnn.ones(2, requires_grad=True)
    for tensor in (leaf, leaf * 2):
        with pytest.raises(BufferError, match="detach"):
            tensor.__dlpack__()
    with pytest.raises(BufferError, match="gradient"):
        libgnn.from_dlpack(leaf)


def test_from_dlpack_refuses_what_it_cannot_take(torch: types.ModuleType) -> None:
    frozen = numpy.ones(3, dtype=numpy.float32)
    frozen.flags.writeable = False
    wrong: list[tuple[typing.Any, typing.Any]] = [
        (torch.ones(2, 3).t(), ValueError),
        (torch.ones(4)[::2], ValueError),
        (torch.ones(2, requires_grad=True), (RuntimeError, BufferError)),
        (torch.ones(2, dtype=torch.int8), TypeError),
        (torch.ones(2, dtype=torch.complex64), TypeError),
        (torch.zeros((1,) * 9), ValueError),
        (numpy.arange(6.0)[::-1], ValueError),
        (frozen, (TypeError, BufferError)),
        (numpy.ones(2, dtype="u2"), TypeError),
        ([1.0], TypeError),
        (None, TypeError),
        (3, TypeError),
        ("a", TypeError),
    ]
    for data, error in wrong:
        with pytest.raises(error):
            libgnn.from_dlpack(data)


def test_from_dlpack_of_objects_that_misbehave() -> None:
    class Raises:
        def __dlpack__(self, **kwargs: typing.Any) -> typing.Any:
            raise ZeroDivisionError

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    class ReturnsNonsense(Raises):
        def __dlpack__(self, **kwargs: typing.Any) -> typing.Any:
            return "nonsense"

    class TwiceTheSame(Raises):
        def __init__(self) -> None:
            self.capsule = libgnn.ones(2).__dlpack__()

        def __dlpack__(self, **kwargs: typing.Any) -> typing.Any:
            return self.capsule

    for wrong in (Raises(), ReturnsNonsense(), Raises):
        with pytest.raises((TypeError, ValueError, ZeroDivisionError)):
            libgnn.from_dlpack(wrong)
    twice = TwiceTheSame()
    assert libgnn.from_dlpack(twice).tolist() == [1, 1]
    with pytest.raises((TypeError, ValueError)):
        libgnn.from_dlpack(twice)


def test_a_capsule_that_nobody_takes_is_freed() -> None:
    before = live_bytes()
    for _ in range(10):
        libgnn.ones(1000).__dlpack__()
    assert live_bytes() == before


# --- buffers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUMPY_DTYPES)
def test_the_buffer_protocol(name: str) -> None:
    tensor = libgnn.tensor(numbers((2, 3), name))
    view = memoryview(tensor)
    assert (view.shape, view.strides, view.readonly) == ((2, 3), (3 * view.itemsize, view.itemsize), False)
    assert view.nbytes == tensor.nbytes and numpy.asarray(view).dtype == numpy.dtype(name)
    assert bytes(view) == numbers((2, 3), name).tobytes()
    tensor.fill_(7)
    assert (numpy.asarray(view) == 7).all()
    numpy.asarray(view)[0, 0] = 3
    assert tensor[0, 0].item() == 3
    assert bytes(tensor) == tensor.numpy().tobytes() and len(bytearray(tensor)) == tensor.nbytes


def test_buffers_of_empty_tensors_and_scalars() -> None:
    assert memoryview(libgnn.tensor(2.0)).tolist() == 2.0
    assert memoryview(libgnn.zeros(0)).nbytes == 0
    assert bytes(libgnn.zeros(2, 0)) == b""


def test_tensors_without_a_buffer() -> None:
    for tensor in (libgnn.ones(2, requires_grad=True), libgnn.ones(2, dtype=libgnn.bfloat16)):
        with pytest.raises(BufferError, match="has a buffer|has none"):
            memoryview(tensor)


def test_a_buffer_as_data() -> None:
    assert libgnn.tensor(memoryview(b"ab")).tolist() == [97, 98]
    assert libgnn.tensor(bytearray(b"ab"), dtype=libgnn.uint8).tolist() == [97, 98]
