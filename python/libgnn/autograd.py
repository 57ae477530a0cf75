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

    forward(ctx, *args) computes one tensor; args may be anything, gradients flow to the tensors among
    them. Nothing inside of it is recorded. backward(ctx, grad) returns a gradient for each argument of
    forward, or None for those that have none; a single value stands for a tuple of one.
    """

    @staticmethod
    def forward(ctx: typing.Any, *args: typing.Any) -> Tensor:
        """Computes the result. To be written by the subclass."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: typing.Any, grad: Tensor) -> typing.Any:
        """Computes the gradients of forward's arguments. To be written by the subclass."""
        raise NotImplementedError("a Function needs a static method backward(ctx, grad)")

    @classmethod
    def apply(cls, *args: typing.Any) -> Tensor:
        """Calls forward(ctx, *args) and records it.

        Raises:
            TypeError: forward returned something else than one tensor.
        """
        ctx = FunctionContext()
        places = [i for i, argument in enumerate(args) if isinstance(argument, Tensor)]
        recording = _core.is_grad_enabled()
        ctx.needs_input_grad = tuple(
            recording and isinstance(argument, Tensor) and argument.requires_grad for argument in args
        )
        with no_grad():
            result = cls.forward(ctx, *args)
        if not isinstance(result, Tensor):
            raise TypeError(
                f"{cls.__name__}.forward: expected one tensor to be returned, got "
                f"{type(result).__name__}"
            )
        if not any(ctx.needs_input_grad) or not result.dtype.is_floating_point:
            return result
        inputs = [args[i] for i in places]
        if any(result.is_same(x) for x in inputs):
            result = result.clone()  # an argument cannot be its own result
        count = len(args)  # alone: the tape is not to keep the arguments alive

        def backward(grad: Tensor, needed: list[bool]) -> list[Tensor | None]:
            gradients = cls.backward(ctx, grad)
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

        return _core._record(cls.__name__, result.detach(), inputs, backward)


def gradcheck(
    function: typing.Callable[..., Tensor],
    inputs: Tensor | typing.Sequence[typing.Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compares the gradients that backward() computes with central differences.

    Args:
        function: of the inputs, returns a tensor.
        inputs: a tensor or several arguments; those that require a gradient are checked and must be
            float64, as differences of float32 are too rough.
        eps: the step of the differences.
        atol, rtol: how far the gradients may be apart: atol + rtol * |numerical|.
        raise_exception: raise AutogradError, saying which element differs, instead of returning False.

    The cotangent is random (from a seed of its own), so that errors that cancel in a sum are seen.
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

    result = function(*arguments)
    random = np.random.default_rng(0)
    weights = random.standard_normal(result.shape)
    cotangent = _core.tensor(np.asarray(weights), dtype=result.dtype, device=result.device)
    before = [x.grad for x in checked]
    try:
        for x in checked:
            x.grad = None
        result.backward(cotangent)
        analytical = [
            np.zeros(x.shape) if x.grad is None else x.grad.cpu().numpy().copy() for x in checked
        ]
    finally:
        for x, grad in zip(checked, before):
            x.grad = grad

    def moved(x: Tensor, start: typing.Any, place: tuple[int, ...], step: float) -> float:
        """The weighted sum of the results with one element of x moved by `step`."""
        values = start.copy()
        values[place] += step
        with no_grad():
            try:
                x.copy_(_core.tensor(values))
                return float((function(*arguments).cpu().numpy() * weights).sum())
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
