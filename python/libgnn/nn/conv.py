"""Convolutions."""

from __future__ import annotations

import math
from typing import Union

from libgnn import _core
from libgnn._core import Error, InvalidValueError, Tensor
from libgnn._unsupported import reject_unsupported
from libgnn.nn import init
from libgnn.nn.arguments import Size2, pair, whole
from libgnn.nn.module import Layer
from libgnn.nn.naming import name_layer
from libgnn.nn.parameter import Parameter
from libgnn.nn.transfer import DeviceLike

__all__ = ["Conv2d"]

_UNSUPPORTED = {"padding_mode": (("zeros",), "pad the input before the layer")}


class Conv2d(Layer):
    """Convolves images with kernels (cross-correlation): [N, in_channels, H, W] or
    [in_channels, H, W] to [N, out_channels, H', W'] or [out_channels, H', W'] with
    H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.

    Args:
        in_channels: channels of the images.
        out_channels: channels of the result: the number of kernels.
        kernel_size: a number, or (height, width); so are stride, padding and dilation.
        stride: how far the kernel moves.
        padding: zeros on all sides; "valid" for none, "same" for as many as keep the size, which
            needs stride 1 and a dilation * (kernel_size - 1) that is even.
        dilation: distance between the pixels that the kernel sees.
        groups: into how many the channels are cut, each of which is convolved on its own.
        bias: whether a number is added to each channel of the result.
        padding_mode: only "zeros".
        device: of the parameters, by default the CPU.
        dtype: of the parameters, float32 (the default) or float64; that of inputs as well.

    Attributes:
        weight: [out_channels, in_channels / groups, height, width].
        bias: [out_channels], or None. Both are uniform in [-b, b) with b = 1 / sqrt(fan_in),
            fan_in = in_channels / groups * height * width.

    Raises:
        ValueError: sizes below 1, a negative padding, channels that groups does not divide, what
            is not supported; when called, an input that does not fit.
        TypeError: when called, an input of another dtype.

    >>> import libgnn
    >>> layer = Conv2d(1, 20, 5)
    >>> layer(libgnn.zeros(64, 1, 28, 28)).shape
    (64, 20, 24, 24)
    >>> Conv2d(16, 32, (3, 1), padding=(1, 0), bias=False)
    Conv2d(16, 32, kernel_size=(3, 1), stride=(1, 1), padding=(1, 0), bias=False)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2 = 1,
        padding: Union[str, Size2] = 0,
        dilation: Size2 = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: DeviceLike | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        reject_unsupported("Conv2d", {"padding_mode": padding_mode}, _UNSUPPORTED)
        self.in_channels = whole("Conv2d: in_channels", in_channels)
        self.out_channels = whole("Conv2d: out_channels", out_channels)
        self.kernel_size = pair("Conv2d: kernel_size", kernel_size)
        self.stride = pair("Conv2d: stride", stride)
        self.dilation = pair("Conv2d: dilation", dilation)
        self.padding: str | tuple[int, int] = (
            padding if isinstance(padding, str) else pair("Conv2d: padding", padding)
        )
        self.groups = whole("Conv2d: groups", groups)
        self.padding_mode = padding_mode
        self._check()
        self._zeros = self._padding()

        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(_core.empty(*shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias",
            Parameter(_core.empty(out_channels, device=device, dtype=dtype)) if bias else None,
        )
        self.reset_parameters()

    def _check(self) -> None:
        for what in ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups"):
            value = getattr(self, what)
            if (min(value) if isinstance(value, tuple) else value) < 1:
                raise InvalidValueError(f"Conv2d: expected {what} from 1, got {value}")
        if self.in_channels % self.groups != 0 or self.out_channels % self.groups != 0:
            raise InvalidValueError(
                f"Conv2d: groups={self.groups} does not divide the channels {self.in_channels} and "
                f"{self.out_channels}"
            )

    def _padding(self) -> tuple[int, int]:
        """The padding as numbers."""
        if not isinstance(self.padding, str):
            if min(self.padding) < 0:
                raise InvalidValueError(f"Conv2d: expected padding from 0, got {self.padding}")
            return self.padding
        if self.padding == "valid":
            return 0, 0
        if self.padding != "same":
            raise InvalidValueError(
                f'Conv2d: expected padding to be numbers, "valid" or "same", got "{self.padding}"'
            )
        height, width = (d * (k - 1) for d, k in zip(self.dilation, self.kernel_size))
        if self.stride != (1, 1) or height % 2 != 0 or width % 2 != 0:
            raise InvalidValueError(
                'Conv2d: padding="same" needs stride 1 and, since both sides are padded alike, an '
                f"even dilation * (kernel_size - 1), got {self.stride} and {(height, width)}; take "
                "an odd kernel_size, or padding as a number"
            )
        return height // 2, width // 2

    def reset_parameters(self) -> None:
        """Draws new initial values."""
        fan_in = math.prod(self.weight.shape[1:])
        init.default_(self.weight, fan_in)
        if self.bias is not None:
            init.default_(self.bias, fan_in)

    def forward(self, input: Tensor) -> Tensor:
        return _core.conv2d(
            input, self.weight, self.bias, self.stride, self._zeros, self.dilation, self.groups
        )

    def pooled(self, input: Tensor, relu: bool = False) -> Tensor:
        """max_pool2d(relu(self(input)), 2), or without the ReLU, in one operation.

        The convolution's result is not kept, and on the CPU the gradients take a quarter of the
        arithmetic.
        """
        if not self._runs_as(Conv2d):
            result = self(input)
            return _core.max_pool2d(_core.relu(result) if relu else result, 2)
        try:
            return _core.conv2d_pool(
                input,
                self.weight,
                self.bias,
                self.stride,
                self._zeros,
                self.dilation,
                self.groups,
                relu,
            )
        except Error as error:
            name_layer(error, self)
            raise

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"
