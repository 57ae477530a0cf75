"""The tape from Python: gradients, hooks, Function, gradcheck, exceptions inside, threads."""

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


# --- leaves and backward ----------------------------------------------------------------------------


def test_requires_grad() -> None:
    x = libgnn.ones(2)
    assert not x.requires_grad and x.requires_grad_() is x and x.requires_grad and x.is_leaf
    x.requires_grad = False
    assert not x.requires_grad
    x.requires_grad_(True)
    y = x * 2
    assert y.requires_grad and not y.is_leaf
    assert x.requires_grad_(False) is x
    with pytest.raises(libgnn.AutogradError, match="result of an operation"):
        y.requires_grad_(False)
    with pytest.raises(libgnn.DTypeError, match="floating-point"):
        libgnn.arange(3).requires_grad_()
    for wrong in (None, 1, "yes"):
        with pytest.raises(TypeError):
            x.requires_grad = wrong
    assert not y.detach().requires_grad


def test_grad_can_be_set_and_cleared() -> None:
    x = leaf(1, 2)
    x.grad = libgnn.tensor([3.0, 4.0], dtype=libgnn.float64)
    (x * x).sum().backward()
    assert gradient(x) == [5, 8]
    assert x.grad is not None
    x.grad.zero_()
    assert gradient(x) == [0, 0]
    x.grad = None
    assert x.grad is None
    with pytest.raises(libgnn.ShapeError, match=r"expected shape \[2\], got \[3\]"):
        x.grad = libgnn.zeros(3, dtype=libgnn.float64)
    with pytest.raises(libgnn.DTypeError, match="expected float64, got float32"):
        x.grad = libgnn.zeros(2)
    with pytest.raises(TypeError):
        x.grad = [1, 2]


def test_a_gradient_does_not_keep_its_tensor_alive() -> None:
    before = libgnn.cuda.memory_stats("cpu")["allocated_bytes"]
    for make in (lambda x: x, lambda x: x * 2, lambda x: x.reshape(-1)):
        x = libgnn.ones(1000, requires_grad=True)
        x.grad = make(x)
        assert x.grad is not None and not x.grad.requires_grad and x.grad.shape == x.shape
        del x
        assert libgnn.cuda.memory_stats("cpu")["allocated_bytes"] == before


def test_backward_adds_to_gradients() -> None:
    x = leaf(1, 2)
    for times in (1, 2, 3):
        (x * 3).sum().backward()
        assert gradient(x) == [3 * times] * 2


def test_backward_errors() -> None:
    x = leaf(1, 2)
    with pytest.raises(libgnn.AutogradError, match="a gradient must be given"):
        (x * 2).backward()
    with pytest.raises(libgnn.AutogradError, match="not computed from any tensor that requires"):
        libgnn.ones(1).backward()
    with pytest.raises(libgnn.ShapeError, match="gradient of shape"):
        (x * 2).backward(libgnn.ones(3, dtype=libgnn.float64))
    with pytest.raises(libgnn.DTypeError, match="float64, got float32"):
        (x * 2).backward(libgnn.ones(2))
    with pytest.raises(TypeError):
        (x * 2).sum().backward([1.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(libgnn.AutogradError, match="freed by an earlier backward"):
        y.backward()
    assert gradient(x) == [4, 8]
    with libgnn.no_grad():
        z = x * 2
    with pytest.raises(libgnn.AutogradError, match="under NoGrad"):
        z.sum().backward()


def test_backward_with_a_gradient() -> None:
    x = leaf(1, 2)
    (x * x).backward(gradient=libgnn.tensor([10.0, 100.0], dtype=libgnn.float64))
    assert gradient(x) == [20, 400]
    leaf_alone = leaf(5)
    leaf_alone.backward()
    assert gradient(leaf_alone) == [1]


def test_grad_modes() -> None:
    x = leaf(1)
    assert libgnn.is_grad_enabled()
    with libgnn.no_grad():
        assert not libgnn.is_grad_enabled() and not (x * 2).requires_grad
        with libgnn.enable_grad():
            assert (x * 2).requires_grad
        with libgnn.set_grad_enabled(True):
            assert libgnn.is_grad_enabled()
        assert not libgnn.is_grad_enabled()
    assert libgnn.is_grad_enabled()
    with pytest.raises(ZeroDivisionError):
        with libgnn.no_grad():
            raise ZeroDivisionError
    assert libgnn.is_grad_enabled()

    @libgnn.no_grad()
    def doubled(t: libgnn.Tensor, depth: int) -> libgnn.Tensor:
        return t * 2 if depth == 0 else doubled(t, depth - 1)

    assert not doubled(x, 3).requires_grad and libgnn.is_grad_enabled()
    assert doubled.__name__ == "doubled"

    seen: list[bool] = []
    with libgnn.no_grad():  # of this thread alone
        thread = threading.Thread(target=lambda: seen.append(libgnn.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


# --- hooks ------------------------------------------------------------------------------------------


def test_hooks_see_and_replace_the_complete_gradient() -> None:
    x = leaf(1, 2)
    seen: list[typing.Any] = []

    def look(grad: libgnn.Tensor) -> None:
        seen.append(grad.tolist())

    x.register_hook(look)
    handle = x.register_hook(lambda grad: grad * 10)
    (x * 2 + x * x).sum().backward()
    assert seen == [[4, 6]] and gradient(x) == [40, 60]
    handle.remove()
    handle.remove()
    (x * 1).sum().backward()
    assert seen == [[4, 6], [1, 1]] and gradient(x) == [41, 61]


def test_hooks_in_order_and_removing_themselves() -> None:
    x = leaf(1)
    calls: list[str] = []
    handles: list[typing.Any] = []

    def first(grad: libgnn.Tensor) -> libgnn.Tensor:
        calls.append("first")
        handles[0].remove()
        return grad + 1

    handles.append(x.register_hook(first))
    x.register_hook(lambda grad: calls.append(f"second {grad.item()}"))
    for _ in range(2):
        (x * 3).sum().backward()
    assert calls == ["first", "second 4.0", "second 3.0"]


def test_hook_errors() -> None:
    x = leaf(1, 2)
    with pytest.raises(libgnn.AutogradError, match="only leaves"):
        (x * 2).register_hook(lambda grad: None)
    with pytest.raises(libgnn.AutogradError, match="only leaves"):
        libgnn.ones(1).register_hook(lambda grad: None)
    for wrong in (None, 3, "f"):
        with pytest.raises(TypeError):
            x.register_hook(wrong)

    def raises(grad: libgnn.Tensor) -> None:
        raise KeyError("from the hook")

    results: list[tuple[typing.Callable[[libgnn.Tensor], typing.Any], type[Exception]]] = [
        (raises, KeyError),
        (lambda grad: libgnn.zeros(3, dtype=libgnn.float64), libgnn.AutogradError),
        (lambda grad: grad.float(), libgnn.AutogradError),
        (lambda grad: 3, TypeError),
        (lambda grad: [grad], TypeError),
        (lambda: None, TypeError),
    ]
    for hook, error in results:
        handle = x.register_hook(hook)
        with pytest.raises(error):
            (x * 2).sum().backward()
        handle.remove()
        assert x.grad is None
    (x * 2).sum().backward()
    assert gradient(x) == [2, 2]


def test_cycles_through_hooks_are_collected() -> None:
    class Layer:
        def __init__(self) -> None:
            self.weight = leaf(1, 2)
            self.handle = self.weight.register_hook(self.look)
            self.calls = 0

        def look(self, grad: libgnn.Tensor) -> None:
            self.calls += 1

    layer = Layer()
    (layer.weight * 2).sum().backward()
    gc.collect()  # with the layer alive the hook stays
    (layer.weight * 2).sum().backward()
    assert layer.calls == 2
    reference = weakref.ref(layer)
    del layer
    gc.collect()
    assert reference() is None


def test_a_hook_lives_while_only_the_tape_has_its_leaf() -> None:
    calls: list[int] = []

    class Hook:
        def __init__(self, owner: list[typing.Any]) -> None:
            self.owner = owner

        def __call__(self, grad: libgnn.Tensor) -> None:
            calls.append(1)

    x = leaf(1)
    x.register_hook(Hook([x]))
    y = (x * 2).sum()
    del x
    gc.collect()
    y.backward()
    assert calls == [1]
    del y
    gc.collect()


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


def test_what_forward_may_return() -> None:
    class Returns(Function):
        @staticmethod
        def forward(ctx: Context, x: libgnn.Tensor, what: typing.Any) -> typing.Any:
            return what(x)

        @staticmethod
        def backward(ctx: Context, grad: libgnn.Tensor) -> typing.Any:
            return grad, None

    x = leaf(1, 2)
    for wrong in (None, 3.0, (x, x), [x]):
        with pytest.raises(TypeError, match="Returns.forward: expected one tensor"):
            Returns.apply(x, lambda t, wrong=wrong: wrong)
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
