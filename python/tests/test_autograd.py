"""The tape from Python: gradients, hooks."""

from __future__ import annotations

import gc
import threading
import typing
import weakref

import pytest

import libgnn

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
