"""Activation functions as layers: element by element, on float32 and float64 of any shape.

``inplace=True`` is an error: the tape keeps what activations are computed from.
"""

from __future__ import annotations

from libgnn import _core
from libgnn._core import InvalidValueError, Tensor
from libgnn._unsupported import reject_unsupported
from libgnn.nn import functional
from libgnn.nn.module import Layer

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]

_UNSUPPORTED = {
    "inplace": ((False,), "leave it out, the result is always a new tensor"),
    "threshold": ((20,), "leave it out, the result is accurate everywhere"),
}


class ReLU(Layer):
    """max(x, 0). Raises ValueError for ``inplace=True``.

    >>> import libgnn
    >>> ReLU()(libgnn.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        reject_unsupported("ReLU", {"inplace": inplace}, _UNSUPPORTED)
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return _core.relu(input)


class LeakyReLU(Layer):
    """x where it is positive, else negative_slope * x. Raises ValueError for ``inplace=True``.

    >>> import libgnn
    >>> LeakyReLU(0.5)(libgnn.tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        reject_unsupported("LeakyReLU", {"inplace": inplace}, _UNSUPPORTED)
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return _core.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Layer):
    """x where it is positive, else alpha * (exp(x) - 1). Raises ValueError for ``inplace=True``.

    >>> import libgnn
    >>> ELU()(libgnn.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        reject_unsupported("ELU", {"inplace": inplace}, _UNSUPPORTED)
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return _core.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class Sigmoid(Layer):
    """1 / (1 + exp(-x)).

    >>> import libgnn
    >>> Sigmoid()(libgnn.zeros(1)).item()
    0.5
    """

    def forward(self, input: Tensor) -> Tensor:
        return _core.sigmoid(input)


class Tanh(Layer):
    """The hyperbolic tangent.

    >>> import libgnn
    >>> Tanh()(libgnn.zeros(1)).item()
    0.0
    """

    def forward(self, input: Tensor) -> Tensor:
        return _core.tanh(input)


class GELU(Layer):
    """x times the normal distribution's probability of values below x.

    Args:
        approximate: "none", or "tanh" for the approximation by tanh.

    Raises:
        ValueError: when called, another ``approximate``.

    Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).

    >>> import libgnn
    >>> GELU("tanh")(libgnn.zeros(1)).item()
    0.0
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return _core.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Layer):
    """x * sigmoid(x). Raises ValueError for ``inplace=True``.

    >>> import libgnn
    >>> SiLU()(libgnn.zeros(1)).item()
    0.0
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        reject_unsupported("SiLU", {"inplace": inplace}, _UNSUPPORTED)
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return _core.silu(input)


class Softplus(Layer):
    """log(1 + exp(beta * x)) / beta, accurate for every x.

    Args:
        beta: how sharp the bend is; above 0.
        threshold: only 20, PyTorch's default: there the result is x where beta * x is larger,
            which is the same to 2e-9.

    Raises:
        ValueError: ``beta`` is not positive, or ``threshold`` another.

    >>> import libgnn
    >>> Softplus()(libgnn.tensor([100.0])).item()
    100.0
    """

    def __init__(self, beta: float = 1, threshold: float = 20) -> None:
        super().__init__()
        reject_unsupported("Softplus", {"threshold": threshold}, _UNSUPPORTED)
        if not beta > 0:
            raise InvalidValueError(f"Softplus: expected beta > 0, got {beta}")
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return _core.softplus(input, self.beta)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Layer):
    """exp(x) / sum of exp(x) along a dimension; stable for inputs of any size.

    Args:
        dim: the dimension that sums to 1; see functional.softmax() for None.

    Raises:
        IndexError: when called, ``dim`` is out of range.

    >>> import libgnn
    >>> Softmax(dim=1)(libgnn.zeros(1, 2)).tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Layer):
    """log(softmax(x)) along a dimension: accurate where softmax rounds to 0.

    Args:
        dim: the dimension over which the exponentials sum to 1; see
            functional.softmax() for None.

    Raises:
        IndexError: when called, ``dim`` is out of range.

    >>> import libgnn
    >>> LogSoftmax(dim=0)(libgnn.zeros(1)).item()
    0.0
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
