"""Losses as modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libgnn import _core
from libgnn._core import InvalidValueError, Tensor
from libgnn._unsupported import reject_unsupported
from libgnn.nn.module import Module

__all__ = ["CrossEntropyLoss", "L1Loss", "MSELoss"]

_UNSUPPORTED = dict.fromkeys(("size_average", "reduce"), ((None,), "reduction supersedes it"))


class _Loss(Module):
    def __init__(self, size_average: Any, reduce: Any, reduction: str) -> None:
        super().__init__()
        given = {"size_average": size_average, "reduce": reduce}
        reject_unsupported(type(self).__name__, given, _UNSUPPORTED)
        if reduction not in ("none", "mean", "sum"):
            raise InvalidValueError(
                f'{type(self).__name__}: expected reduction to be "none", "mean" or "sum", '
                f"got {reduction!r}"
            )
        self.reduction = reduction

    if TYPE_CHECKING:

        def __call__(self, input: Tensor, target: Tensor) -> Tensor:
            ...


class CrossEntropyLoss(_Loss):
    """Cross entropy of softmax(input) with classes.

    Called with logits [N, C], float32 or float64, and classes [N], int64, in [0, C) or
    ignore_index; gives a scalar, or [N] for reduction="none".

    Args:
        weight: [C], a factor for each class; by default 1. It is a buffer.
        size_average: only None; superseded by reduction.
        ignore_index: samples of this class do not count.
        reduce: only None; superseded by reduction.
        reduction: "mean" (over the sum of the weights of the classes that count), "sum", "none".
        label_smoothing: how much of each target, in [0, 1], is spread evenly over all classes.

    Raises:
        ValueError: another reduction, what is not supported; when called, inputs that do not fit
            and a label_smoothing out of range.
        IndexError: when called on the CPU, a class out of range; on CUDA the loss is NaN instead.
        TypeError: when called, other dtypes.

    >>> import libgnn
    >>> loss = CrossEntropyLoss()
    >>> round(loss(libgnn.zeros(2, 10), libgnn.tensor([3, 5])).item(), 4)
    2.3026
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _core.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MSELoss(_Loss):
    """(input - target)^2: of each element ("none"), their mean or their sum.

    Both tensors have one shape and dtype (float32 or float64); nothing is broadcast. The mean of
    nothing is NaN.

    Args:
        size_average: only None; superseded by reduction.
        reduce: only None; superseded by reduction.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: another reduction, what is not supported; when called, different shapes.
        TypeError: when called, other or different dtypes.

    >>> import libgnn
    >>> MSELoss()(libgnn.ones(2), libgnn.zeros(2)).item()
    1.0
    """

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _core.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|: of each element ("none"), their mean or their sum.

    Shapes, dtypes, arguments and errors as MSELoss. The gradient is 0 where both are equal.

    >>> import libgnn
    >>> L1Loss(reduction="sum")(libgnn.ones(2), libgnn.zeros(2)).item()
    2.0
    """

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _core.l1_loss(input, target, reduction=self.reduction)
