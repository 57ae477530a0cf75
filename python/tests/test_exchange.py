"""Memory shared with NumPy, and data of Python: what is shared, for how long, what is refused."""

from __future__ import annotations

import array
import gc
import sys
import types
import typing
import weakref

import numpy
import pytest
from arrays import DTYPES, NUMPY_DTYPES, SHAPES, live_bytes, numbers

import libgnn

# --- NumPy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUMPY_DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_shares_memory_both_ways(name: str, shape: tuple[int, ...]) -> None:
    tensor = libgnn.tensor(numbers(shape, name))
    view = tensor.numpy()
    assert (view.dtype, view.shape) == (numpy.dtype(name), shape) and view.flags.c_contiguous
    assert view.flags.writeable
    assert numpy.array_equal(view, numbers(shape, name))
    back = libgnn.from_numpy(view)
    assert (back.shape, back.dtype) == (shape, tensor.dtype)
    if tensor.numel() > 0:
        assert view.ctypes.data == tensor.data_ptr() == back.data_ptr()
        view[...] = 5
        assert tensor.reshape(-1)[0].item() == back.reshape(-1)[0].item() == 5
        tensor.fill_(6)
        assert (view == 6).all()
    assert numpy.asarray(tensor).shape == shape


def test_a_view_outlives_its_tensor() -> None:
    tensor = libgnn.ones(1000)
    reference = weakref.ref(tensor)
    view = tensor.numpy()
    buffer = memoryview(tensor)
    capsule = numpy.from_dlpack(tensor)
    del tensor
    gc.collect()
    assert reference() is None  # what lives is the memory, not the Python object
    others = [libgnn.zeros(1000) for _ in range(50)]
    for kept in (view, numpy.asarray(buffer), capsule):
        assert (kept == 1).all()
    del others


def test_a_tensor_outlives_its_array() -> None:
    source = numpy.ones(1000, dtype=numpy.float32)
    reference = weakref.ref(source)
    tensor = libgnn.from_numpy(source)[10:]
    del source
    gc.collect()
    assert reference() is not None and tensor.sum().item() == 990
    del tensor
    gc.collect()
    assert reference() is None


def test_memory_is_given_back_when_the_last_of_both_is_gone() -> None:
    before = live_bytes()
    tensor = libgnn.ones(100_000)
    views = [tensor.numpy(), memoryview(tensor), numpy.from_dlpack(tensor), tensor[5:].numpy()]
    del tensor
    while views:
        assert live_bytes() >= before + 400_000
        views.pop()
    assert live_bytes() == before


def test_a_module_moves_while_a_view_lives() -> None:
    parameter = libgnn.ones(4, requires_grad=True)
    view = parameter.detach().numpy()
    parameter._set_data(libgnn.zeros(4, dtype=libgnn.float64))  # as Module.to does
    gc.collect()
    assert (view == 1).all() and view.dtype == numpy.float32
    view[:] = 3
    assert parameter.tolist() == [0] * 4 and parameter.dtype is libgnn.float64


def test_reference_counts_stay_flat() -> None:
    source = numpy.ones(3, dtype=numpy.float32)
    tensor = libgnn.ones(3)
    before = sys.getrefcount(source), sys.getrefcount(tensor), live_bytes()
    for _ in range(200):
        libgnn.from_numpy(source)
        libgnn.from_dlpack(source)
        libgnn.as_tensor(source)
        libgnn.tensor(source)
        tensor.numpy()
        numpy.from_dlpack(tensor)
        memoryview(tensor).release()
        for wrong in (source[::-1], source.astype(">f4"), source.astype("i1")):
            with pytest.raises((ValueError, TypeError)):
                libgnn.from_numpy(wrong)
    assert (sys.getrefcount(source), sys.getrefcount(tensor), live_bytes()) == before


def test_numpy_is_refused_where_it_would_lose_something() -> None:
    leaf = libgnn.ones(2, requires_grad=True)
    for tensor in (leaf, leaf * 2):
        with pytest.raises(libgnn.AutogradError, match="detach"):
            tensor.numpy()
        with pytest.raises(libgnn.AutogradError, match="detach"):
            numpy.asarray(tensor)
    with pytest.raises(libgnn.DTypeError, match=r"float\(\)"):
        libgnn.ones(2, dtype=libgnn.bfloat16).numpy()
    assert leaf.detach().numpy().tolist() == [1, 1]


def test_the_array_protocol() -> None:
    x = libgnn.tensor([1.5, 2.5])
    assert numpy.asarray(x).ctypes.data == x.data_ptr()
    assert numpy.array(x).ctypes.data != x.data_ptr()
    assert numpy.asarray(x, dtype=numpy.int64).tolist() == [1, 2]
    assert x.__array__(numpy.float32).ctypes.data == x.data_ptr()
    assert x.__array__(copy=True).ctypes.data != x.data_ptr()
    with pytest.raises(ValueError, match="copy"):
        x.__array__(numpy.float64, copy=False)
    assert numpy.isfinite(x).all() and numpy.allclose(x, [1.5, 2.5])


@pytest.mark.parametrize("name", NUMPY_DTYPES)
def test_tensor_copies_any_array(torch: types.ModuleType, name: str) -> None:
    base = numbers((4, 6), name)
    record = numpy.zeros(5, dtype=[("a", "u1"), ("b", name)])  # unaligned
    record["b"] = numbers((5,), name)
    frozen = base.copy()
    frozen.flags.writeable = False
    arrays = [base, base.T, base[::2, 1::3], base[::-1], base[:, :0], frozen, record["b"]]
    arrays += [base.astype(numpy.dtype(name).newbyteorder()), numpy.broadcast_to(base[0], (3, 6))]
    arrays += [numpy.asfortranarray(base), base[0, 0], base[..., None], record["b"][:1]]
    for data in arrays:
        tensor = libgnn.tensor(data)
        assert tensor.dtype is getattr(libgnn, name) and tensor.shape == data.shape
        assert numpy.array_equal(tensor.numpy(), data)
        assert not numpy.shares_memory(tensor.numpy(), base)
        assert libgnn.as_tensor(data).tolist() == data.tolist()


def test_from_numpy_refuses_what_cannot_be_shared() -> None:
    base = numpy.arange(24, dtype=numpy.float32).reshape(4, 6)
    frozen = base.copy()
    frozen.flags.writeable = False
    record = numpy.zeros(5, dtype=[("a", "u1"), ("b", "f4")])
    wrong: list[tuple[typing.Any, type[Exception], str]] = [
        (base.T, libgnn.InvalidValueError, "not contiguous"),
        (base[::2], libgnn.InvalidValueError, "not contiguous"),
        (base[::-1], libgnn.InvalidValueError, "not contiguous"),
        (numpy.broadcast_to(base[0], (3, 6)), libgnn.InvalidValueError, "writeable"),
        (frozen, libgnn.InvalidValueError, "writeable"),
        (record["b"], libgnn.InvalidValueError, "aligned"),
        (numpy.zeros(17, "u1")[1:].view("f4"), libgnn.InvalidValueError, "aligned"),
        (base.astype(">f4"), libgnn.DTypeError, "byte order"),
        (base.astype(bool), libgnn.DTypeError, "bool"),
        (base.astype("i1"), libgnn.DTypeError, "int8"),
        (base.astype("u8"), libgnn.DTypeError, "uint64"),
        (base.astype("c8"), libgnn.DTypeError, "complex64"),
        (base.astype(object), libgnn.DTypeError, "object"),
        (base.astype("S"), libgnn.DTypeError, "bytes"),
        (record, libgnn.DTypeError, "void"),
        (numpy.zeros((1,) * 9, "f4"), libgnn.ShapeError, "at most 8"),
        ([1.0], TypeError, "expected a numpy.ndarray, got list"),
        (numpy.float32(1), TypeError, "expected a numpy.ndarray, got float32"),
        (None, TypeError, "expected a numpy.ndarray"),
        (libgnn.ones(2), TypeError, "expected a numpy.ndarray"),
    ]
    for data, error, message in wrong:
        with pytest.raises(error, match=message):
            libgnn.from_numpy(data)


def test_as_tensor_shares_where_it_can() -> None:
    base = numpy.arange(6, dtype=numpy.float32)
    assert libgnn.as_tensor(base).data_ptr() == base.ctypes.data
    x = libgnn.ones(2)
    assert libgnn.as_tensor(x).is_same(x) and libgnn.as_tensor(x, libgnn.float32).is_same(x)
    assert libgnn.as_tensor(base, dtype=libgnn.float64).tolist() == base.tolist()
    assert libgnn.as_tensor([1, 2]).dtype is libgnn.int64
    assert libgnn.as_tensor(base.astype(bool)).dtype is libgnn.uint8
    frozen = base.copy()
    frozen.flags.writeable = False
    assert libgnn.as_tensor(frozen).data_ptr() != frozen.ctypes.data


# --- data of Python ---------------------------------------------------------------------------------


def test_dtypes_of_python_data() -> None:
    cases: list[tuple[typing.Any, str]] = [
        (1, "int64"),
        (1.0, "float32"),
        (True, "uint8"),
        ([], "float32"),
        ([1, 2], "int64"),
        ([1, 2.0], "float32"),
        ([True, False], "uint8"),
        ([True, 2], "int64"),
        ([1, True], "int64"),
        ([[]], "float32"),
        ((1, 2), "int64"),
        (range(3), "int64"),
        ([(1.0,), [2]], "float32"),
        (array.array("d", [1]), "float32"),
        (numpy.float64(1), "float64"),
        (numpy.bool_(True), "uint8"),
        (numpy.array([1.0]), "float64"),
        ([numpy.float64(1)], "float32"),
        ([libgnn.tensor(1.0), libgnn.tensor(2.0)], "float32"),
        ([numpy.ones(2), numpy.ones(2)], "float32"),
        (libgnn.ones(1, dtype=libgnn.float16), "float16"),
    ]
    for data, name in cases:
        assert libgnn.tensor(data).dtype is getattr(libgnn, name), data


def test_data_of_any_dtype_converts_to_the_one_that_is_named() -> None:
    for kind in ("i1", "u2", "u4", "u8", "?", ">i4", "f2"):
        for name in DTYPES:
            tensor = libgnn.tensor(numpy.array([0, 1], dtype=kind), dtype=getattr(libgnn, name))
            assert tensor.dtype is getattr(libgnn, name) and tensor.tolist() == [0, 1]
    assert libgnn.tensor(numpy.array([1, 2], dtype=numpy.longdouble), dtype=libgnn.float64).tolist() == [1, 2]


def test_data_that_is_no_tensor() -> None:
    wrong: list[tuple[typing.Any, type[Exception]]] = [
        (None, TypeError),
        ("a", TypeError),
        (["a"], TypeError),
        ([None], TypeError),
        (1j, TypeError),
        (10**30, TypeError),
        (2**63, TypeError),
        ({}, TypeError),
        ({1}, TypeError),
        (object(), TypeError),
        (iter([1]), TypeError),
        (b"ab", TypeError),
        (lambda: 1, TypeError),
        (libgnn, TypeError),
        ([[1, 2], [3]], ValueError),
        ([1, [2]], ValueError),
        ([[1], 2], ValueError),
        ([[], [1]], ValueError),
        (numpy.array(["a"]), TypeError),
        (numpy.array([None]), TypeError),
        (numpy.array(["2020-01-01"], dtype="M8[D]"), TypeError),
        (numpy.zeros((1,) * 9), ValueError),
        (numpy.array([1], dtype="i1"), TypeError),
    ]
    for data, error in wrong:
        with pytest.raises(error):
            libgnn.tensor(data)
    with pytest.raises(libgnn.DTypeError, match="name a dtype"):
        libgnn.tensor(numpy.array([1], dtype="i1"))
    cycle: list[typing.Any] = []
    cycle.append(cycle)
    with pytest.raises((ValueError, TypeError, RecursionError)):
        libgnn.tensor(cycle)
    with pytest.raises(libgnn.DTypeError, match="floating-point"):
        libgnn.tensor([1, 2], requires_grad=True)


def test_tensor_of_a_tensor_is_a_copy_without_history() -> None:
    w = libgnn.ones(2, requires_grad=True)
    copy = libgnn.tensor(w)
    assert copy.data_ptr() != w.data_ptr() and not copy.requires_grad
    assert libgnn.tensor(w * 2, dtype=libgnn.int64).tolist() == [2, 2]
    assert libgnn.tensor(w, requires_grad=True).is_leaf
