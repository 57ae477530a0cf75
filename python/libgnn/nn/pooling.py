"""Pooling of images."""

from __future__ import annotations

from libgnn import _core
from libgnn._core import Tensor
from libgnn._unsupported import reject_unsupported
from libgnn.nn.arguments import Size2, pair
from libgnn.nn.module import Layer

__all__ = ["AvgPool2d", "MaxPool2d"]

_UNSUPPORTED = {"return_indices": ((False,), "there is no unpooling that would use them")}


class MaxPool2d(Layer):
    """The maximum of each window: [N, C, H, W] or [C, H, W] to the same with
    H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.

    A NaN in a window is its maximum; of equal values the first gets the gradient.

    Args:
        kernel_size: of the window: a number, or (height, width); so are the following.
        stride: how far the window moves, by default the kernel size.
        padding: of -infinity on all sides, at most half of the dilated kernel.
        dilation: distance between the pixels of a window.
        return_indices: only False.
        ceil_mode: rounds H' up unless the last window would start beyond the input.

    Raises:
        ValueError: what is not supported; when called, sizes that make no sense and an input that
            does not fit.
        TypeError: sizes that are no numbers; when called, an input that is not floating.

    >>> import libgnn
    >>> MaxPool2d(3, stride=2)(libgnn.zeros(20, 16, 50, 32)).shape
    (20, 16, 24, 15)
    """

    def __init__(
        self,
        kernel_size: Size2,
        stride: Size2 | None = None,
        padding: Size2 = 0,
        dilation: Size2 = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        reject_unsupported("MaxPool2d", {"return_indices": return_indices}, _UNSUPPORTED)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode
        self._window = (
            pair("MaxPool2d: kernel_size", self.kernel_size),
            pair("MaxPool2d: stride", self.stride),
            pair("MaxPool2d: padding", padding),
            pair("MaxPool2d: dilation", dilation),
        )

    def halves(self) -> bool:
        """True for 2 x 2 windows with stride 2 that lie inside the image, side by side."""
        return self._window == ((2, 2), (2, 2), (0, 0), (1, 1)) and not self.ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        kernel_size, stride, padding, dilation = self._window
        return _core.max_pool2d(input, kernel_size, stride, padding, dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Layer):
    """The average of each window: [N, C, H, W] or [C, H, W] to the same with
    H' = floor((H + 2 padding - kernel_size) / stride) + 1.

    Args:
        kernel_size: of the window: a number, or (height, width); so are the following.
        stride: how far the window moves, by default the kernel size.
        padding: of zeros on all sides, at most half of the kernel.
        ceil_mode: rounds H' up unless the last window would start beyond the input.
        count_include_pad: whether the padding counts in the divisor.
        divisor_override: divide by this instead of the window's size; not 0.

    Raises:
        TypeError: sizes that are no numbers; when called, an input that is not floating.
        ValueError: when called, sizes that make no sense and an input that does not fit.

    >>> import libgnn
    >>> AvgPool2d(2)(libgnn.ones(1, 1, 4, 4)).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """

    def __init__(
        self,
        kernel_size: Size2,
        stride: Size2 | None = None,
        padding: Size2 = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override
        self._window = (
            pair("AvgPool2d: kernel_size", self.kernel_size),
            pair("AvgPool2d: stride", self.stride),
            pair("AvgPool2d: padding", padding),
        )

    def forward(self, input: Tensor) -> Tensor:
        kernel_size, stride, padding = self._window
        return _core.avg_pool2d(
            input,
            kernel_size,
            stride,
            padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
