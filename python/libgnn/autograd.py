"""The tape: switching it off, operations with a gradient of one's own, checking gradients.

    >>> import libgnn
    >>> class Exp(libgnn.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = x.exp()
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (y,) = ctx.saved_tensors
    ...         return grad * y
    >>> x = libgnn.tensor([0.0, 1.0], requires_grad=True)
    >>> Exp.apply(x).sum().backward()
    >>> x.grad
    tensor([1.0000, 2.7183])
"""

from __future__ import annotations

import functools
import itertools
import typing

from libgnn import _core
from libgnn._core import AutogradError, Tensor

__all__ = ["Function", "FunctionContext", "enable_grad", "gradcheck", "no_grad", "set_grad_enabled"]

_F = typing.TypeVar("_F", bound=typing.Callable[..., typing.Any])


class set_grad_enabled:
    """Switches recording on or off, at once and for this thread; as a context manager, until its end.

    >>> import libgnn
    >>> with libgnn.set_grad_enabled(False):
    ...     libgnn.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self._previous = _core._set_grad_enabled(bool(mode))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _core._set_grad_enabled(self._previous)


class _GradMode:
    """A context manager, and a decorator, that sets recording to `_mode` meanwhile."""

    _mode: typing.ClassVar[bool]

    def __init__(self) -> None:
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(_core._set_grad_enabled(self._mode))

    def __exit__(self, *exception: object) -> None:
        _core._set_grad_enabled(self._previous.pop())

    def __call__(self, function: _F) -> _F:
        @functools.wraps(function)
        def wrapper(*args: typing.Any, **kwargs: typing.Any) -> typing.Any:
            with type(self)():
                return function(*args, **kwargs)

        return typing.cast(_F, wrapper)


class no_grad(_GradMode):
    """Nothing is recorded inside: `with no_grad(): ...`, or `@no_grad()` before a function.

    >>> import libgnn
    >>> x = libgnn.ones(2, requires_grad=True)
    >>> with libgnn.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    _mode = False


class enable_grad(_GradMode):
    """Operations are recorded inside, also within no_grad()."""

    _mode = True


class FunctionContext:
    """What a Function's forward leaves for its backward; any attribute may be set on it."""

    def __init__(self) -> None:
        self._saved: tuple[Tensor | None, ...] = ()
        self._versions: tuple[int, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors (or None) for backward, where saved_tensors has them, and notices when they are
        changed in place until then."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward: expected tensors or None, got {type(tensor).__name__}; "
                    "other things are kept as attributes of ctx"
                )
        # Without history: an output that is kept must not keep itself alive.
        self._saved = tuple(None if t is None else t.detach() for t in tensors)
        self._versions = tuple(0 if t is None else t._version for t in tensors)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward kept. Raises AutogradError when one was changed in place since."""
        for tensor, version in zip(self._saved, self._versions):
            if tensor is not None and tensor._version != version:
                raise AutogradError(
                    "saved_tensors: a tensor that backward needs was changed in place after it was saved"
                )
        return self._saved


class Function:
    """An operation with a gradient of its own: derive from it, write forward and backward as static
    methods, and call `YourFunction.apply(...)`. The module's documentation has an example.

    forward(ctx, *args) computes a tensor, or a tuple of them; args may be anything, gradients flow to
    the tensors among them. Nothing inside of it is recorded. backward(ctx, *grads) takes the gradient
    of each result (zeros where there is none, None for a result of whole numbers), and returns one for
    each argument of forward, or None for those that have none; a single value stands for a tuple of
    one.
    """

    @staticmethod
    def forward(ctx: typing.Any, *args: typing.Any) -> typing.Any:
        """Computes the result. To be written by the subclass."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: typing.Any, *grads: typing.Any) -> typing.Any:
        """Computes the gradients of forward's arguments. To be written by the subclass."""
        raise NotImplementedError("a Function needs a static method backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: typing.Any) -> typing.Any:
        """Calls forward(ctx, *args), records it, and returns what it returned.

        Raises:
            TypeError: forward returned something else than a tensor or a tuple of tensors.
            DeviceError: forward returned tensors on several devices.
        """
        ctx = FunctionContext()
        places = [i for i, argument in enumerate(args) if isinstance(argument, Tensor)]
        recording = _core.is_grad_enabled()
        ctx.needs_input_grad = tuple(
            recording and isinstance(argument, Tensor) and argument.requires_grad for argument in args
        )
        with no_grad():
            returned = cls.forward(ctx, *args)
        results = returned if isinstance(returned, tuple) else (returned,)
        if not results or not all(isinstance(result, Tensor) for result in results):
            got = ", ".join(type(result).__name__ for result in results)
            raise TypeError(
                f"{cls.__name__}.forward: expected a tensor or a tuple of tensors to be returned, got "
                + (f"({got})" if isinstance(returned, tuple) else got)
            )
        differentiable = [i for i, result in enumerate(results) if result.dtype.is_floating_point]
        if not any(ctx.needs_input_grad) or not differentiable:
            return returned
        inputs = [args[i] for i in places]
        count, result_count = len(args), len(results)  # the tape is not to keep the tensors alive

        def backward(grads: list[Tensor], needed: list[bool]) -> list[Tensor | None]:
            of_results: list[Tensor | None] = [None] * result_count
            for i, grad in zip(differentiable, grads):
                of_results[i] = grad
            gradients = cls.backward(ctx, *of_results)
            if not isinstance(gradients, tuple):
                gradients = (gradients,)
            if len(gradients) != count:
                raise ValueError(
                    f"{cls.__name__}.backward: expected {count} gradients, one for each argument "
                    f"of forward, got {len(gradients)}"
                )
            for i, gradient in enumerate(gradients):
                if gradient is not None and not isinstance(gradient, Tensor):
                    raise TypeError(
                        f"{cls.__name__}.backward: expected a tensor or None for argument {i}, got "
                        f"{type(gradient).__name__}"
                    )
            return [gradients[i] for i in places]

        outputs = list(results)
        taken = list(inputs)
        for i in differentiable:
            # An argument cannot be its own result, nor two results one tensor.
            if any(outputs[i].is_same(other) for other in taken):
                outputs[i] = outputs[i].clone()
            taken.append(outputs[i])
        recorded = _record(cls.__name__, [outputs[i] for i in differentiable], inputs, backward)
        for i, output in zip(differentiable, recorded):
            outputs[i] = output
        return tuple(outputs) if isinstance(returned, tuple) else outputs[0]


_Backward = typing.Callable[[list[Tensor], list[bool]], "list[Tensor | None]"]


def _record(name: str, results: list[Tensor], inputs: list[Tensor], backward: _Backward) -> list[Tensor]:
    """The results, recorded as computed from the inputs; backward takes all their gradients."""
    if len(results) == 1:
        return [_core._record(name, results[0], inputs, lambda grad, needed: backward([grad], needed))]
    # The tape records one result per operation: here a vector that stands for all of them, whose
    # gradient is put together from theirs. Its own values nobody reads.
    device = results[0].device
    if any(result.device != device for result in results):
        raise _core.DeviceError(f"{name}.forward: expected its results to be on one device")
    wide = any(result.dtype is _core.dtype.float64 for result in results)
    dtype = _core.dtype.float64 if wide else _core.dtype.float32
    kinds = [(result.shape, result.dtype) for result in results]
    ends = list(itertools.accumulate(result.numel() for result in results))
    parts = [slice(begin, end) for begin, end in zip([0, *ends], ends)]

    def split(grad: Tensor, needed: list[bool]) -> list[Tensor | None]:
        grads = [grad[part].reshape(shape).to(own) for part, (shape, own) in zip(parts, kinds)]
        return backward(grads, needed)

    def placed_in(part: slice) -> typing.Callable[[Tensor, list[bool]], list[Tensor | None]]:
        def place(grad: Tensor, needed: list[bool]) -> list[Tensor | None]:
            whole = _core.zeros(ends[-1], dtype=dtype, device=device)
            whole[part] = grad.reshape(-1)
            return [whole]

        return place

    vector = _core._record(name, _core.empty(ends[-1], dtype=dtype, device=device), inputs, split)
    return [
        _core._record(name, result, [vector], placed_in(part))
        for result, part in zip(results, parts)
    ]


def gradcheck(
    function: typing.Callable[..., Tensor | tuple[Tensor, ...]],
    inputs: Tensor | typing.Sequence[typing.Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compares the gradients that backward() computes with central differences.

    Args:
        function: of the inputs, returns a tensor or a tuple of them.
        inputs: a tensor or several arguments; those that require a gradient are checked and must be
            float64, as differences of float32 are too rough.
        eps: the step of the differences.
        atol, rtol: how far the gradients may be apart: atol + rtol * |numerical|.
        raise_exception: raise AutogradError, saying which element differs, instead of returning False.

    The cotangents are random (from a seed of their own), so that errors that cancel in a sum are seen.
    """
    import numpy as np

    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: expected at least one input that requires a gradient, got none")
    for x in checked:
        if x.dtype != _core.dtype.float64:
            raise TypeError(
                f"gradcheck: expected inputs of libgnn.float64, got {x.dtype}: differences of less "
                "precise numbers say nothing"
            )
        if not x.is_leaf:
            raise AutogradError("gradcheck: expected leaves of the tape; detach() the inputs first")

    def results_of(returned: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
        results = returned if isinstance(returned, tuple) else (returned,)
        return [result for result in results if result.dtype.is_floating_point]

    results = results_of(function(*arguments))
    random = np.random.default_rng(0)
    weights = [np.asarray(random.standard_normal(result.shape)) for result in results]
    before = [x.grad for x in checked]
    try:
        for x in checked:
            x.grad = None
        for number, (result, weight) in enumerate(zip(results, weights)):
            cotangent = _core.tensor(weight, dtype=result.dtype, device=result.device)
            result.backward(cotangent, retain_graph=number + 1 < len(results))
        analytical = [
            np.zeros(x.shape) if x.grad is None else x.grad.cpu().numpy().copy() for x in checked
        ]
    finally:
        for x, grad in zip(checked, before):
            x.grad = grad

    def moved(x: Tensor, start: typing.Any, place: tuple[int, ...], step: float) -> float:
        """The weighted sum of all results with one element of x moved by `step`."""
        values = start.copy()
        values[place] += step
        with no_grad():
            try:
                x.copy_(_core.tensor(values))
                moved_results = results_of(function(*arguments))
                return sum(float((r.cpu().numpy() * w).sum()) for r, w in zip(moved_results, weights))
            finally:
                x.copy_(_core.tensor(start))

    for number, x in enumerate(checked):
        start = x.detach().clone().cpu().numpy()
        for place in np.ndindex(*x.shape):
            numerical = (moved(x, start, place, eps) - moved(x, start, place, -eps)) / (2 * eps)
            got = float(analytical[number][place])
            if not abs(got - numerical) <= atol + rtol * abs(numerical):
                if not raise_exception:
                    return False
                raise AutogradError(
                    f"gradcheck: input {number}, element {list(place)}: backward() says {got:.8g}, "
                    f"differences say {numerical:.8g}"
                )
    return True
