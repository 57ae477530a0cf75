"""What a tensor is: attributes, conversions to numbers and to other dtypes, shapes, errors."""

from __future__ import annotations

import copy
import pickle
import types
import typing

import numpy
import pytest

import libgnn

DTYPES = ["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8"]
FLOATING = DTYPES[:4]
SIZES = {"float64": 8, "int64": 8, "float32": 4, "int32": 4, "float16": 2, "bfloat16": 2, "uint8": 1}


def dtype(name: str) -> libgnn.dtype:
    return getattr(libgnn, name)


@pytest.mark.parametrize("name", DTYPES)
def test_attributes(torch: types.ModuleType, name: str) -> None:
    ours = libgnn.zeros(2, 3, 1, dtype=dtype(name))
    theirs = torch.zeros(2, 3, 1, dtype=getattr(torch, name))
    assert ours.shape == tuple(theirs.shape) == (2, 3, 1)
    assert type(ours.shape) is tuple
    assert ours.size() == (2, 3, 1)
    assert ours.size(-2) == ours.size(dim=1) == theirs.size(1) == 3
    assert ours.ndim == ours.dim() == theirs.dim() == 3
    assert ours.numel() == theirs.numel() == 6
    assert ours.element_size() == theirs.element_size() == SIZES[name]
    assert ours.nbytes == 6 * SIZES[name]
    assert ours.dtype is dtype(name)
    assert ours.dtype.itemsize == SIZES[name]
    assert ours.dtype.is_floating_point is (name in FLOATING)
    assert repr(ours.dtype) == str(ours.dtype) == f"libgnn.{name}"
    assert str(ours.device) == "cpu" and ours.device.type == "cpu" and not ours.is_cuda
    assert ours.is_leaf and not ours.requires_grad and ours.grad is None
    assert ours.is_contiguous() and ours.contiguous() is ours
    assert len(ours) == 2
    assert isinstance(ours.data_ptr(), int) and ours.data_ptr() != 0


def test_attributes_of_scalars_and_empty_tensors() -> None:
    scalar = libgnn.tensor(2.5)
    assert (scalar.shape, scalar.ndim, scalar.numel(), scalar.nbytes) == ((), 0, 1, 4)
    with pytest.raises(TypeError, match="without dimensions"):
        len(scalar)
    with pytest.raises(TypeError, match="without dimensions"):
        iter(scalar)
    empty = libgnn.zeros(2, 0, 3)
    assert (empty.shape, empty.numel(), empty.nbytes, empty.data_ptr()) == ((2, 0, 3), 0, 0, 0)
    assert len(empty) == 2 and len(libgnn.zeros(0)) == 0
    assert empty.tolist() == [[], []]


@pytest.mark.parametrize("name", ["shape", "ndim", "dtype", "device", "nbytes", "is_leaf", "T", "mT"])
def test_attributes_cannot_be_assigned(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(libgnn.ones(2, 2), name, 1)


def test_dtype_aliases() -> None:
    assert libgnn.float is libgnn.float32 and libgnn.double is libgnn.float64
    assert libgnn.half is libgnn.float16 and libgnn.long is libgnn.int64
    assert len({dtype(name) for name in DTYPES}) == 7
    assert copy.deepcopy(libgnn.int32) is libgnn.int32


def test_device() -> None:
    cpu = libgnn.device("cpu")
    assert cpu == libgnn.device(cpu) and hash(cpu) == hash(libgnn.device("cpu"))
    assert cpu != "cpu" and not cpu == 3
    assert (str(cpu), repr(cpu), cpu.type, cpu.index) == ("cpu", "device('cpu')", "cpu", None)
    assert pickle.loads(pickle.dumps(cpu)) == cpu == copy.deepcopy(cpu)
    assert libgnn.zeros(1, device=cpu).device == libgnn.zeros(1, device="cpu").device == cpu
    for text in ("gpu", "", "cuda:", "cuda:x", "cuda:-1", "CPU ", "cpu:0:0", "é"):
        with pytest.raises((libgnn.DeviceError, libgnn.InvalidValueError), match="device"):
            libgnn.device(text)
    with pytest.raises(libgnn.DeviceError):
        libgnn.zeros(1, device="cuda:4096")
    if not libgnn.cuda.is_available():
        with pytest.raises(libgnn.DeviceError) as caught:
            libgnn.ones(1).cuda()
        assert libgnn.cuda.reason() in str(caught.value)


def test_item() -> None:
    assert libgnn.tensor(2.5).item() == 2.5 and type(libgnn.tensor(2.5).item()) is float
    for name in ("int32", "int64", "uint8"):
        value = libgnn.full((1, 1), 7, dtype=dtype(name)).item()
        assert value == 7 and type(value) is int
    assert libgnn.tensor(2**62 + 1).item() == 2**62 + 1
    for shape in ((2,), (0,), (1, 3)):
        with pytest.raises(libgnn.ShapeError, match="one element"):
            libgnn.zeros(shape).item()


@pytest.mark.parametrize("name", DTYPES)
def test_tolist(torch: types.ModuleType, name: str) -> None:
    for data in (3, [], [1, 2], [[1, 2, 3], [4, 5, 6]], [[[1]], [[2]]], [[], []]):
        ours = libgnn.tensor(data, dtype=dtype(name)).tolist()
        assert ours == torch.tensor(data, dtype=getattr(torch, name)).tolist()
    assert type(libgnn.ones(1, dtype=dtype(name)).tolist()[0]) is (float if name in FLOATING else int)
    assert libgnn.tensor([2**62 + 1, -(2**63)]).tolist() == [2**62 + 1, -(2**63)]


def test_numbers() -> None:
    assert float(libgnn.tensor([[1.5]])) == 1.5 and type(float(libgnn.tensor(1))) is float
    assert int(libgnn.tensor(-2.7)) == -2 and int(libgnn.tensor(2**62 + 1)) == 2**62 + 1
    assert complex(libgnn.tensor(1.5)) == 1.5
    for infinite in (float("inf"), float("-inf")):
        with pytest.raises(OverflowError):
            int(libgnn.tensor(infinite))
    with pytest.raises(ValueError):
        int(libgnn.tensor(float("nan")))
    with pytest.raises(ValueError, match="one element"):
        float(libgnn.ones(2))


def test_whole_numbers_are_indices() -> None:
    names = ["a", "b", "c"]
    assert names[libgnn.tensor([0.0, 3.0, 1.0]).argmax()] == "b"
    assert names[libgnn.tensor([2], dtype=libgnn.uint8)] == "c"
    assert list(range(libgnn.tensor(2))) == [0, 1]
    for wrong in (libgnn.tensor(1.0), libgnn.tensor([1, 2]), libgnn.zeros(0, dtype=libgnn.int64)):
        with pytest.raises(TypeError, match="one whole number"):
            names[wrong]


def test_truth() -> None:
    assert bool(libgnn.tensor(0.5)) and not libgnn.tensor([0]) and libgnn.tensor(float("nan"))
    for tensor in (libgnn.ones(2), libgnn.zeros(0)):
        with pytest.raises(libgnn.ShapeError, match="true or false"):
            bool(tensor)


def test_comparison_with_what_is_no_tensor() -> None:
    x = libgnn.ones(2)
    assert (x == None) is False and (x != None) is True and (x == "text") is False  # noqa: E711
    for other in (None, "text", [1], 1j):
        with pytest.raises(TypeError):
            x < other
    for compare in (lambda: x == numpy.ones(2), lambda: numpy.ones(2) == x, lambda: x < numpy.ones(2)):
        with pytest.raises(TypeError, match="from_numpy"):
            compare()


def test_identity() -> None:
    x, y = libgnn.ones(2), libgnn.ones(2)
    assert x.is_same(x) and not x.is_same(y) and not x.is_same(x.detach())
    assert hash(x) == hash(x) and hash(x) != hash(y)
    assert {x: 1}[x] == 1 and x in {x} and any(x is t for t in [y, x])
    with pytest.raises(TypeError):
        x.is_same(None)


def test_copies() -> None:
    x = libgnn.tensor([1.0, 2.0], requires_grad=True)
    deep = copy.deepcopy(x)
    assert not deep.is_same(x) and deep.requires_grad and deep.is_leaf
    with libgnn.no_grad():
        deep.fill_(9)
    assert x.tolist() == [1, 2]
    both = copy.deepcopy([x, x])
    assert both[0] is both[1]
    with pytest.raises(libgnn.AutogradError, match="detach"):
        copy.deepcopy(x * 2)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="libgnn.save"):
            pickle.dumps(x, protocol)


def test_a_subclass_is_another_handle_of_the_same_tensor() -> None:
    class Named(libgnn.Tensor):
        def __init__(self, tensor: libgnn.Tensor, name: str) -> None:
            super().__init__(tensor)
            self.name = name

    x = libgnn.ones(2)
    named = Named(x, "x")
    assert named.is_same(x) and named.name == "x" and isinstance(named, libgnn.Tensor)
    named.fill_(3)
    assert x.tolist() == [3, 3]
    assert type(named + 1) is libgnn.Tensor
    assert type(named.requires_grad_()) is Named and x.requires_grad
    assert named.fill_ and named.contiguous() is named
    with pytest.raises(TypeError):
        libgnn.Tensor()
    with pytest.raises(TypeError):
        libgnn.Tensor([1.0, 2.0])


@pytest.mark.filterwarnings("ignore:nanobind")
def test_a_subclass_that_forgets_init_is_an_error_not_a_crash() -> None:
    class Broken(libgnn.Tensor):
        def __init__(self) -> None:
            pass

    uses = [repr, len, lambda t: t.shape, lambda t: t + 1, memoryview, lambda t: t[0]]
    uses += [libgnn.tensor, libgnn.as_tensor, libgnn.from_dlpack, libgnn.relu, copy.deepcopy]
    for use in uses:
        with pytest.raises((TypeError, BufferError)):
            use(Broken())


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_conversions_between_all_dtypes(torch: types.ModuleType, source: str, target: str) -> None:
    values = [0, 1, 2, 100, 127]
    ours = libgnn.tensor(values, dtype=dtype(source)).to(dtype(target))
    theirs = torch.tensor(values, dtype=getattr(torch, source)).to(getattr(torch, target))
    assert ours.dtype is dtype(target) and ours.tolist() == theirs.tolist()


def test_to() -> None:
    x = libgnn.tensor([1.5, -2.5])
    assert x.to(libgnn.float32) .is_same(x) and x.to("cpu").is_same(x) and x.to(x).is_same(x)
    assert x.cpu().is_same(x) and x.float().is_same(x) and x.to().is_same(x)
    assert x.to("cpu", libgnn.float64).dtype is libgnn.float64
    assert x.to(device="cpu", dtype=libgnn.int64).tolist() == [1, -2]
    assert x.to(libgnn.zeros(1, dtype=libgnn.float16)).dtype is libgnn.float16
    converted = [x.double(), x.half(), x.bfloat16(), x.int(), x.long()]
    names = ["float64", "float16", "bfloat16", "int32", "int64"]
    assert [str(t.dtype) for t in converted] == [f"libgnn.{name}" for name in names]
    for wrong in (3, None, float, "float32 ", [libgnn.float32]):
        with pytest.raises((TypeError, libgnn.DeviceError)):
            x.to(wrong)
    with pytest.raises(TypeError, match="dtype, a device or a tensor"):
        x.to(1.5)
    w = libgnn.tensor([1.0, 2.0], requires_grad=True)
    (w.to(libgnn.float64) * libgnn.tensor([3.0, 4.0], dtype=libgnn.float64)).sum().backward()
    assert w.grad is not None and w.grad.dtype is libgnn.float32 and w.grad.tolist() == [3, 4]


def test_conversion_to_whole_numbers_truncates_saturates_and_takes_nan_for_0() -> None:
    values = [2.9, -2.9, 300.0, -5.0, float("nan"), float("inf"), float("-inf"), 1e30]
    x = libgnn.tensor(values, dtype=libgnn.float64)
    top = 2**63 - 1
    assert x.to(libgnn.uint8).tolist() == [2, 0, 255, 0, 0, 255, 0, 255]
    assert x.to(libgnn.int64).tolist() == [2, -2, 300, -5, 0, top, -(2**63), top]
    assert libgnn.tensor(values, dtype=libgnn.uint8).tolist() == x.to(libgnn.uint8).tolist()
    assert libgnn.tensor(values, dtype=libgnn.int64).tolist() == x.to(libgnn.int64).tolist()


def test_clone_and_detach() -> None:
    x = libgnn.tensor([1.0, 2.0], requires_grad=True)
    clone, view = x.clone(), x.detach()
    assert clone.requires_grad and not clone.is_leaf
    assert not view.requires_grad and view.data_ptr() == x.data_ptr() != clone.data_ptr()
    view.fill_(5)
    assert x.tolist() == [5, 5] and clone.tolist() == [1, 2]


def test_shapes(torch: types.ModuleType) -> None:
    ours, theirs = libgnn.arange(24.0).reshape(2, 3, 4), torch.arange(24.0).reshape(2, 3, 4)
    cases: list[typing.Callable[[typing.Any], typing.Any]] = [
        lambda t: t.reshape(4, 6),
        lambda t: t.reshape((4, 6)),
        lambda t: t.reshape([4, -1]),
        lambda t: t.reshape(-1),
        lambda t: t.view(2, 12),
        lambda t: t.view(2, 1, 12, 1),
        lambda t: t.flatten(),
        lambda t: t.flatten(1),
        lambda t: t.flatten(start_dim=0, end_dim=1),
        lambda t: t.unsqueeze(0).unsqueeze(-1),
        lambda t: t.unsqueeze(-2),
        lambda t: t.reshape(1, 24, 1).squeeze(),
        lambda t: t.reshape(1, 24, 1).squeeze(0),
        lambda t: t.reshape(1, 24, 1).squeeze(1),
        lambda t: t.reshape(1, 24, 1).squeeze(dim=-1),
        lambda t: t.transpose(1, 2),
        lambda t: t.transpose(-1, -2),
        lambda t: t.transpose(1, 1),
        lambda t: t.mT,
        lambda t: t[0].T,
        lambda t: t[0].t(),
        lambda t: t[0, 0].t(),
    ]
    for case in cases:
        assert case(ours).shape == tuple(case(theirs).shape)
        assert case(ours).tolist() == case(theirs).tolist()
    assert ours.reshape(6, 4).data_ptr() == ours.data_ptr()


def test_shape_errors() -> None:
    x = libgnn.ones(2, 3, 4)
    wrong: list[tuple[typing.Callable[[], typing.Any], type[Exception], str]] = [
        (lambda: x.reshape(5), libgnn.ShapeError, r"reshape: \[2, 3, 4\] does not fit into \[5\]"),
        (lambda: x.reshape(-1, -1), libgnn.ShapeError, "only one size can be -1"),
        (lambda: x.reshape(-2, 12), libgnn.ShapeError, "is not a shape"),
        (lambda: x.reshape(2**62, 4), libgnn.ShapeError, "is not a shape"),
        (lambda: libgnn.zeros(0).reshape(-1, 0), libgnn.ShapeError, "does not fit"),
        (lambda: x.reshape(2.0, 12), TypeError, "reshape: expected sizes that are whole numbers"),
        (lambda: x.view("a"), TypeError, "view: expected sizes that are whole numbers"),
        (lambda: x.reshape(*[1] * 9), libgnn.ShapeError, "at most 8"),
        (lambda: x.flatten(0, 3), libgnn.IndexOutOfRangeError, "axis 3 is out of range"),
        (lambda: x.flatten(2, 1), libgnn.ShapeError, "comes after"),
        (lambda: x.squeeze(3), libgnn.IndexOutOfRangeError, "squeeze"),
        (lambda: x.unsqueeze(5), libgnn.IndexOutOfRangeError, "unsqueeze"),
        (lambda: x.transpose(0, 1), libgnn.InvalidValueError, "only the last two dimensions"),
        (lambda: x.transpose(0, 3), libgnn.IndexOutOfRangeError, "axis 3"),
        (lambda: x.t(), libgnn.ShapeError, "at most 2 dimensions"),
        (lambda: x.size(3), libgnn.IndexOutOfRangeError, "axis 3"),
        (lambda: libgnn.ones(2).mT, libgnn.ShapeError, "two dimensions"),
        (lambda: x + libgnn.ones(5), libgnn.ShapeError, r"\[2, 3, 4\] and \[5\]"),
        (lambda: x @ libgnn.ones(5, 2), libgnn.ShapeError, "matmul"),
        (lambda: x.sum(3), libgnn.IndexOutOfRangeError, "sum: axis 3"),
        (lambda: x.sum((0, 0)), libgnn.InvalidValueError, "named twice"),
        (lambda: libgnn.zeros(0).max(), libgnn.ShapeError, "no largest element"),
        (lambda: libgnn.zeros(0).argmax(), libgnn.ShapeError, "no largest element"),
        (lambda: x + x.double(), libgnn.DTypeError, "one dtype, got float32 and float64"),
        (lambda: x.half() + 1, libgnn.DTypeError, "float32 or float64, got float16"),
        (lambda: libgnn.arange(3).mean(), libgnn.DTypeError, "mean: expected float32 or float64"),
        (lambda: x + "a", TypeError, "unsupported operand"),
        (lambda: x + None, TypeError, "unsupported operand"),
        (lambda: [1] + x, TypeError, "unsupported operand|concatenate"),
        (lambda: x + 1j, TypeError, "unsupported operand"),
        (lambda: 2 @ x, TypeError, "unsupported operand"),
        (lambda: x + numpy.ones(4), TypeError, "from_numpy"),
        (lambda: numpy.ones(4) + x, TypeError, "from_numpy"),
        (lambda: numpy.ones(4) * x, TypeError, "from_numpy"),
        (lambda: x**numpy.ones(4), TypeError, "from_numpy"),
        (lambda: x.clamp(), libgnn.InvalidValueError, "at least one of min and max"),
    ]
    for call, error, message in wrong:
        with pytest.raises(error, match=message):
            call()


def test_numbers_of_numpy_are_numbers() -> None:
    x = libgnn.ones(2)
    for number in (numpy.float32(2), numpy.float64(2), numpy.int64(2), numpy.uint8(2)):
        assert (x + number).tolist() == (number + x).tolist() == [3, 3]
        assert (number / x).tolist() == [2, 2] and (number**x).tolist() == [2, 2]
        assert (x * number).dtype is libgnn.float32


def test_exceptions_are_libgnns_and_the_builtin_of_their_kind() -> None:
    classes = {
        libgnn.ShapeError: ValueError,
        libgnn.InvalidValueError: ValueError,
        libgnn.DTypeError: TypeError,
        libgnn.IndexOutOfRangeError: IndexError,
        libgnn.OutOfMemoryError: MemoryError,
        libgnn.DeviceError: RuntimeError,
        libgnn.AutogradError: RuntimeError,
        libgnn.CudaError: RuntimeError,
        libgnn.CaptureError: RuntimeError,
        libgnn.DataError: RuntimeError,
        libgnn.TrainingError: RuntimeError,
    }
    for kind, builtin in classes.items():
        assert issubclass(kind, libgnn.Error) and issubclass(kind, builtin) and kind.__doc__
    assert issubclass(libgnn.Error, RuntimeError)


@pytest.mark.parametrize("make", ["zeros", "ones", "empty", "rand", "randn"])
def test_sizes_that_no_memory_has_fail_at_once(make: str) -> None:
    create = getattr(libgnn, make)
    for size in (10**18, 2**60, (10**9, 10**9)):
        with pytest.raises(libgnn.OutOfMemoryError, match="bytes"):
            create(size)
    for size in (2**61, (2**40, 2**40), (2**62, 0, 2**62)):
        with pytest.raises(libgnn.ShapeError, match="too many elements"):
            create(size)
    for size in (-1, (2, -3)):
        with pytest.raises(libgnn.ShapeError, match="negative"):
            create(size)
    for size in (1.5, "3", None, True, (2, (3,)), 10**30):
        with pytest.raises(TypeError, match=f"{make}: expected sizes that are whole numbers"):
            create(size)


def test_max_is_a_named_tuple(torch: types.ModuleType) -> None:
    ours, theirs = libgnn.tensor([[1.0, 3.0], [5.0, 2.0]]), torch.tensor([[1.0, 3.0], [5.0, 2.0]])
    for kwargs in ({"dim": 1}, {"dim": 0}, {"dim": -1, "keepdim": True}):
        mine, other = ours.max(**kwargs), theirs.max(**kwargs)
        assert mine.values.tolist() == other.values.tolist() == mine[0].tolist()
        assert mine.indices.tolist() == other.indices.tolist() == mine[1].tolist()
    values, indices = libgnn.max(ours, 1)
    assert values.tolist() == [3, 5] and indices.dtype is libgnn.int64
