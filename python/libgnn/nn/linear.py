"""Fully connected layers."""

from __future__ import annotations

from typing import Any

from libgnn import _core
from libgnn._core import Error, InvalidValueError, Tensor
from libgnn.nn import init
from libgnn.nn.arguments import whole
from libgnn.nn.module import Layer
from libgnn.nn.naming import name_layer
from libgnn.nn.parameter import Parameter
from libgnn.nn.transfer import DeviceLike

__all__ = ["Identity", "Linear"]


class Identity(Layer):
    """Returns its input; takes any arguments and ignores them.

    >>> import libgnn
    >>> Identity(54, unused=True)(libgnn.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Layer):
    """y = x W' + b: input [*, in_features], output [*, out_features].

    Args:
        in_features: size of the last dimension of the input.
        out_features: size of the last dimension of the output.
        bias: whether there is a b.
        device: of the parameters, by default the CPU.
        dtype: of the parameters, float32 (the default) or float64; that of inputs as well.

    Attributes:
        weight: [out_features, in_features].
        bias: [out_features], or None. Both are uniform in [-b, b) with b = 1 / sqrt(in_features).

    Raises:
        ValueError: a negative number of features; when called, an input of another shape.
        TypeError: when called, an input of another dtype.

    >>> import libgnn
    >>> layer = Linear(20, 30)
    >>> layer(libgnn.randn(128, 20)).shape
    (128, 30)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = whole("Linear: in_features", in_features)
        self.out_features = whole("Linear: out_features", out_features)
        if in_features < 0 or out_features < 0:
            raise InvalidValueError(
                f"Linear: expected numbers of features from 0, got {in_features} and {out_features}"
            )
        self.weight = Parameter(
            _core.empty(out_features, in_features, device=device, dtype=dtype)
        )
        self.register_parameter(
            "bias",
            Parameter(_core.empty(out_features, device=device, dtype=dtype)) if bias else None,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new initial values."""
        init.default_(self.weight, self.in_features)
        if self.bias is not None:
            init.default_(self.bias, self.in_features)

    def forward(self, input: Tensor) -> Tensor:
        return _core.linear(input, self.weight, self.bias)

    def with_relu(self, input: Tensor) -> Tensor:
        """relu(self(input)) in one operation: what the ReLU is applied to is not kept."""
        if not self._runs_as(Linear):
            return _core.relu(self(input))
        try:
            return _core.linear_relu(input, self.weight, self.bias)
        except Error as error:
            name_layer(error, self)
            raise

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
