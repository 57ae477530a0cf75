"""Operations written in Python (autograd.Function), gradcheck, threads."""

from __future__ import annotations

import gc
import sys
import threading
import time
import types
import typing
import weakref

import numpy
import pytest

import libgnn
from libgnn.autograd import Function, gradcheck

Context = typing.Any


def leaf(*values: float) -> libgnn.Tensor:
    return libgnn.tensor(list(values), dtype=libgnn.float64, requires_grad=True)


def gradient(x: libgnn.Tensor) -> typing.Any:
    assert x.grad is not None
    return x.grad.tolist()


# --- operations written in Python -------------------------------------------------------------------


class Product(Function):
    """a * b * factor."""

    @staticmethod
    def forward(ctx: Context, a: libgnn.Tensor, factor: float, b: libgnn.Tensor) -> libgnn.Tensor:
        ctx.save_for_backward(a, None, b)
        ctx.factor = factor
        return a * b * factor

    @staticmethod
    def backward(ctx: Context, grad: libgnn.Tensor) -> typing.Any:
        a, nothing, b = ctx.saved_tensors
        assert nothing is None
        return (
            grad * b * ctx.factor if ctx.needs_input_grad[0] else None,
            None,
            grad * a * ctx.factor if ctx.needs_input_grad[2] else None,
        )


def test_function_of_several_arguments() -> None:
    a, b = leaf(1, 2), leaf(3, 4)
    y = Product.apply(a, 5.0, b)
    assert y.requires_grad and not y.is_leaf and y.tolist() == [15, 40]
    y.sum().backward()
    assert gradient(a) == [15, 20] and gradient(b) == [5, 10]
    assert gradcheck(lambda p, q: Product.apply(p, 2.0, q), [a, b])
    constant = libgnn.ones(2, dtype=libgnn.float64)
    Product.apply(a, 1.0, constant).sum().backward()
    assert gradient(a) == [16, 21] and constant.grad is None


def test_function_where_nothing_is_recorded() -> None:
    a, constant = leaf(1, 2), libgnn.ones(2, dtype=libgnn.float64)
    assert not Product.apply(constant, 1.0, constant).requires_grad
    with libgnn.no_grad():
        assert not Product.apply(a, 1.0, a).requires_grad
    seen: list[tuple[bool, ...]] = []

    class Seen(Function):
        @staticmethod
        def forward(ctx: Context, *args: typing.Any) -> libgnn.Tensor:
            seen.append(ctx.needs_input_grad)
            assert not libgnn.is_grad_enabled()
            return args[0] * 2

        @staticmethod
        def backward(ctx: Context, grad: libgnn.Tensor) -> typing.Any:
            assert not libgnn.is_grad_enabled()
            return grad * 2, None, None

    Seen.apply(a, constant, "text").sum().backward()
    with libgnn.no_grad():
        Seen.apply(a, constant, "text")
    assert seen == [(True, False, False), (False, False, False)] and gradient(a) == [2, 2]


def identity_with(backward: typing.Callable[[typing.Any, libgnn.Tensor], typing.Any]) -> type[Function]:
    class Identity(Function):
        @staticmethod
        def forward(ctx: Context, x: libgnn.Tensor) -> libgnn.Tensor:
            return x.clone()

    Identity.backward = staticmethod(backward)  # type: ignore[method-assign]
    return Identity


def test_what_backward_may_return() -> None:
    x = leaf(1, 2)
    identity_with(lambda ctx, grad: None).apply(x).sum().backward()
    assert x.grad is None
    identity_with(lambda ctx, grad: (None,)).apply(x).sum().backward()
    assert x.grad is None
    identity_with(lambda ctx, grad: grad).apply(x).sum().backward()
    assert gradient(x) == [1, 1]
    # With history of its own: taken without it.
    w = leaf(3, 3)
    identity_with(lambda ctx, grad: w).apply(x).sum().backward()
    assert gradient(x) == [4, 4] and w.grad is None
    # The gradient belongs to x: what Python gave is not changed by later passes.
    assert w.tolist() == [3, 3]


def test_what_backward_may_not_return() -> None:
    def raises(ctx: Context, grad: libgnn.Tensor) -> typing.Any:
        raise KeyError("from backward")

    wrong: list[tuple[typing.Callable[[Context, libgnn.Tensor], typing.Any], type[Exception], str]] = [
        (raises, KeyError, "from backward"),
        (lambda ctx, grad: libgnn.ones(3, dtype=libgnn.float64), libgnn.AutogradError, r"float64 \[2\]"),
        (lambda ctx, grad: grad.float(), libgnn.AutogradError, "float64"),
        (lambda ctx, grad: (grad, grad), ValueError, "expected 1 gradients"),
        (lambda ctx, grad: (), ValueError, "expected 1 gradients"),
        (lambda ctx, grad: 3.0, TypeError, "expected a tensor or None for argument 0, got float"),
        (lambda ctx, grad: [grad], TypeError, "got list"),
    ]
    x = leaf(1, 2)
    for backward, error, message in wrong:
        result = identity_with(backward).apply(x * 1).sum()
        with pytest.raises(error, match=message):
            result.backward()
        assert x.grad is None and libgnn.is_grad_enabled()
    (x * 2).sum().backward()
    assert gradient(x) == [2, 2]


class Returns(Function):
    """What a function makes of x; the gradients of all results are added up."""

    @staticmethod
    def forward(ctx: Context, x: libgnn.Tensor, what: typing.Any) -> typing.Any:
        return what(x)

    @staticmethod
    def backward(ctx: Context, *grads: libgnn.Tensor) -> typing.Any:
        total = grads[0]
        for grad in grads[1:]:
            total = total + grad
        return total, None


def test_what_forward_may_return() -> None:
    x = leaf(1, 2)
    wrong = [(None, "NoneType"), (3.0, "float"), ([x], "list"), ((), r"\(\)"), ((x, 3), r"\(Tensor, int\)")]
    for value, got in wrong:
        with pytest.raises(TypeError, match=f"Returns.forward: expected a tensor or a tuple.*got {got}$"):
            Returns.apply(x, lambda t, value=value: value)
    with pytest.raises(ZeroDivisionError):
        Returns.apply(x, lambda t: 1 / 0)
    assert libgnn.is_grad_enabled()
    same = Returns.apply(x, lambda t: t)
    assert not same.is_same(x) and same.data_ptr() != x.data_ptr() and same.requires_grad
    same.sum().backward()
    assert gradient(x) == [1, 1]
    whole = Returns.apply(x, lambda t: t.to(libgnn.int64))
    assert whole.dtype is libgnn.int64 and not whole.requires_grad
    with pytest.raises(NotImplementedError, match="forward"):
        Function.apply(x)


class Polar(Function):
    """From Cartesian coordinates: the radius, in float32, the angle's tangent, and the sign of y."""

    @staticmethod
    def forward(ctx: Context, x: libgnn.Tensor, y: libgnn.Tensor) -> tuple[libgnn.Tensor, ...]:
        radius = (x * x + y * y).sqrt()
        ctx.save_for_backward(x, y, radius)
        return radius.float(), (y / x).reshape(1, -1), (y >= 0).to(libgnn.int64)

    @staticmethod
    def backward(ctx: Context, *grads: libgnn.Tensor | None) -> typing.Any:
        radial, tangential, sign = grads
        x, y, radius = ctx.saved_tensors
        assert radial is not None and radial.dtype is libgnn.float32 and radial.shape == (2,)
        assert tangential is not None and tangential.shape == (1, 2) and sign is None
        radial, tangential = radial.to(libgnn.float64), tangential.flatten()
        return radial * x / radius - tangential * y / (x * x), radial * y / radius + tangential / x


def test_function_of_several_results() -> None:
    x, y = leaf(3, 6), leaf(4, -8)
    radius, tangent, sign = Polar.apply(x, y)
    assert radius.tolist() == [5, 10] and sign.tolist() == [1, 0] and tangent.shape == (1, 2)
    assert radius.requires_grad and tangent.requires_grad and not sign.requires_grad

    # Of one result alone, of the other, then of both: the passes add up.
    radius.sum().backward(retain_graph=True)
    numpy.testing.assert_allclose(gradient(x), [0.6, 0.6], 1e-7)
    numpy.testing.assert_allclose(gradient(y), [0.8, -0.8], 1e-7)
    x.grad = y.grad = None
    tangent.sum().backward(retain_graph=True)
    numpy.testing.assert_allclose(gradient(x), [-4 / 9, 8 / 36])
    numpy.testing.assert_allclose(gradient(y), [1 / 3, 1 / 6])
    (radius.to(libgnn.float64) * 2 + tangent).sum().backward()
    numpy.testing.assert_allclose(gradient(x), [1.2 - 8 / 9, 1.2 + 16 / 36], 1e-7)
    with pytest.raises(libgnn.AutogradError):
        radius.sum().backward()

    assert gradcheck(lambda a, b: Polar.apply(a, b)[1:], [x, y])
    with libgnn.no_grad():
        assert not any(result.requires_grad for result in Polar.apply(x, y))


def test_results_that_are_arguments_or_each_other() -> None:
    x = leaf(1, 2)
    (alone,) = Returns.apply(x, lambda t: (t * 1,))
    alone.sum().backward()
    assert gradient(x) == [1, 1]
    first, second = Returns.apply(x, lambda t: (t, t))
    assert first.data_ptr() != x.data_ptr() and first.data_ptr() != second.data_ptr()
    (first * 2 + second).sum().backward()
    assert gradient(x) == [4, 4]
    nothing, empty = Returns.apply(leaf(), lambda t: (t * 1, t * 2))
    (nothing.sum() + empty.sum()).backward()

    # Results go when nobody has them, and do not keep each other's values.
    kept, dropped = Returns.apply(x, lambda t: (t * 1, t * 3))
    reference = weakref.ref(dropped)
    del dropped
    assert reference() is None
    kept.sum().backward()
    assert gradient(x) == [5, 5]


def test_nested_functions_and_backward_inside_of_backward() -> None:
    inner_x = leaf(2)

    class Outer(Function):
        @staticmethod
        def forward(ctx: Context, a: libgnn.Tensor) -> libgnn.Tensor:
            ctx.save_for_backward(a)
            return Product.apply(a, 1.0, a)

        @staticmethod
        def backward(ctx: Context, grad: libgnn.Tensor) -> typing.Any:
            (a,) = ctx.saved_tensors
            with libgnn.enable_grad():
                again = a.clone().requires_grad_()
                Product.apply(again, 1.0, again).sum().backward()
                (inner_x * inner_x).sum().backward()
            assert again.grad is not None
            return grad * again.grad

    x = leaf(3, 4)
    Outer.apply(x).sum().backward()
    assert gradient(x) == [6, 8] and gradient(inner_x) == [4]
    assert gradcheck(Outer.apply, x)


def test_saved_tensors_that_changed() -> None:
    x, b = leaf(1, 2), libgnn.ones(2, dtype=libgnn.float64)
    y = Product.apply(x, 1.0, b)
    b.fill_(2)
    with pytest.raises(libgnn.AutogradError, match="changed in place after it was saved"):
        y.sum().backward()

    class Saves(Function):
        @staticmethod
        def forward(ctx: Context, x: libgnn.Tensor) -> libgnn.Tensor:
            ctx.save_for_backward(3)
            return x

    with pytest.raises(TypeError, match="save_for_backward: expected tensors or None, got int"):
        Saves.apply(x)


def test_the_tape_keeps_what_is_saved_and_nothing_else() -> None:
    def allocated() -> int:
        gc.collect()
        return libgnn.cuda.memory_stats("cpu")["allocated_bytes"]

    class Doubled(Function):
        @staticmethod
        def forward(ctx: Context, x: libgnn.Tensor, unused: libgnn.Tensor) -> libgnn.Tensor:
            return x.sum() * 2

        @staticmethod
        def backward(ctx: Context, grad: libgnn.Tensor) -> typing.Any:
            return libgnn.full((1000,), 2 * grad.item()), None

    x = libgnn.ones(1000, requires_grad=True)
    before = allocated()
    y = Doubled.apply(x, libgnn.ones(100_000))
    assert allocated() < before + 10_000
    y.backward()
    del y
    x.grad = None
    assert allocated() == before


def test_repeated_use_leaks_nothing() -> None:
    x, b = leaf(1, 2), leaf(3, 4)

    def step() -> None:
        handle = x.register_hook(lambda grad: grad * 2)
        Product.apply(x, 1.0, b).sum().backward()
        handle.remove()
        with pytest.raises(KeyError):
            identity_with(lambda ctx, grad: {}["missing"]).apply(x).sum().backward()

    def counts() -> tuple[int, int, int, int]:
        gc.collect()
        stats = libgnn.cuda.memory_stats("cpu")
        return sys.getrefcount(x), sys.getrefcount(b), stats["allocated_bytes"], len(gc.get_objects())

    for _ in range(3):
        step()
    before = counts()
    for _ in range(50):
        step()
    after = counts()
    assert after[:3] == before[:3] and abs(after[3] - before[3]) < 20


# --- gradcheck --------------------------------------------------------------------------------------


def test_gradcheck_of_right_gradients() -> None:
    x = libgnn.tensor([[0.3, -0.7], [1.2, 0.4]], dtype=libgnn.float64, requires_grad=True)
    before = x.tolist()
    assert gradcheck(lambda t: t.tanh() @ t.exp(), x)
    assert gradcheck(lambda t, scale: (t * scale).sum(), [x, 3.0])
    assert x.grad is None and x.tolist() == before


def test_gradcheck_of_wrong_gradients() -> None:
    x = leaf(0.3, -0.7)
    x.grad = libgnn.ones(2, dtype=libgnn.float64)
    wrong = identity_with(lambda ctx, grad: grad * 1.01)
    with pytest.raises(libgnn.AutogradError, match=r"input 0, element \[0\]"):
        gradcheck(wrong.apply, x)
    assert gradcheck(wrong.apply, x, raise_exception=False) is False
    assert gradcheck(wrong.apply, x, rtol=0.1)
    # Wrong in a way that a sum of the outputs would not show.
    swapped = identity_with(lambda ctx, grad: libgnn.tensor(grad.numpy()[::-1].copy()))
    assert gradcheck(swapped.apply, x, raise_exception=False) is False
    missing = identity_with(lambda ctx, grad: None)
    assert gradcheck(missing.apply, x, raise_exception=False) is False
    nan = identity_with(lambda ctx, grad: grad * float("nan"))
    assert gradcheck(nan.apply, x, raise_exception=False) is False
    assert x.tolist() == [0.3, -0.7] and gradient(x) == [1, 1]


def test_gradcheck_errors_leave_the_input_as_it_was() -> None:
    x = leaf(0.3, -0.7)

    def raises(t: libgnn.Tensor) -> libgnn.Tensor:
        if t.tolist() != [0.3, -0.7]:
            raise KeyError("when an element has moved")
        return t * 2

    with pytest.raises(KeyError):
        gradcheck(raises, x)
    assert x.tolist() == [0.3, -0.7] and x.grad is None
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(lambda t: t, libgnn.ones(2, dtype=libgnn.float64))
    with pytest.raises(TypeError, match="float64"):
        gradcheck(lambda t: t, libgnn.ones(2, requires_grad=True))
    with pytest.raises(libgnn.AutogradError, match="leaves"):
        gradcheck(lambda t: t, x * 2)


# --- threads ----------------------------------------------------------------------------------------


def test_other_threads_run_while_one_computes() -> None:
    a = libgnn.rand(1500, 1500)
    done = threading.Event()

    def compute() -> None:
        for _ in range(4):
            a @ a
        done.set()

    ticks = 0
    interval = sys.getswitchinterval()
    sys.setswitchinterval(10.0)  # nobody is asked to let the GIL go: it must be released
    try:
        thread = threading.Thread(target=compute)
        thread.start()
        while not done.is_set():
            ticks += 1
            time.sleep(0.0005)
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert ticks >= 10


def test_threads_that_compute_at_once_get_the_results_of_one(rng: numpy.random.Generator) -> None:
    data = [rng.standard_normal((40, 30)) for _ in range(4)]

    def train(values: typing.Any, results: dict[int, typing.Any], number: int) -> None:
        x = libgnn.tensor(values)
        w = libgnn.zeros(30, 5, dtype=libgnn.float64, requires_grad=True)
        w.register_hook(lambda grad: grad * 0.5)
        for _ in range(20):
            Product.apply((x @ w).tanh() - 1, 1.0, (x @ w) - 2).mean().backward()
            with libgnn.no_grad():
                w -= 0.1 * typing.cast(libgnn.Tensor, w.grad)
            w.grad = None
            x.numpy(), memoryview(x)
        results[number] = w.tolist()

    alone: dict[int, typing.Any] = {}
    for number, values in enumerate(data):
        train(values, alone, number)
    together: dict[int, typing.Any] = {}
    threads = [
        threading.Thread(target=train, args=(values, together, number))
        for number, values in enumerate(data)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_threads_share_a_graph_that_is_retained(torch: types.ModuleType) -> None:
    x = libgnn.ones(1000, requires_grad=True)
    y = (x * 2 * x).sum()
    errors: list[BaseException] = []

    def differentiate() -> None:
        try:
            for _ in range(20):
                (x.detach().requires_grad_() * 2).sum().backward()
                y.item()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=differentiate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    y.backward()
    assert gradient(x) == [4] * 1000
