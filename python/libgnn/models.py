"""Models: the same architectures, initial weights and parameter names as in C++."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from libgnn import nn
from libgnn._core import (
    InvalidValueError,
    ShapeError,
    Tensor,
    avg_pool2d,
    flatten,
    leaky_relu,
    max_pool2d,
    relu,
    sigmoid,
    tanh,
)
from libgnn.nn.module import Layer

__all__ = ["LeNet", "LeNet5", "MLP"]

_LAYERS: dict[str, type[nn.Module] | None] = {
    "linear": None,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
}
_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
}


def _check_choice(model: str, argument: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidValueError(
            f"{model}: expected {argument} to be one of {', '.join(choices)}, got {value!r}"
        )


def _check_images(model: str, images: Tensor, channels: int) -> None:
    if images.ndim != 4 or images.shape[1:] != (channels, 28, 28):
        raise ShapeError(
            f"{model}: expected images [N, {channels}, 28, 28], got {list(images.shape)}"
        )


class LeNet(Layer):
    """The LeNet of Caffe's MNIST example; its output is logits [N, classes]::

        conv1  channels -> 20, 5x5;  max_pool2d 2x2
        conv2  20 -> 50, 5x5;        max_pool2d 2x2
        fc1    800 -> 500;           relu
        fc2    500 -> classes

    There is no non-linearity behind the convolutions but the pooling, as there. Weights are
    initialised as Caffe's "xavier" filler does, uniform in [-b, b) with b = sqrt(3 / fan_in),
    biases with 0. 431,080 parameters for MNIST.

    Args:
        channels: of the images [N, channels, 28, 28], float32.
        classes: number of them.

    Raises:
        ValueError: when called, images of another shape.

    >>> import libgnn
    >>> from libgnn.models import LeNet
    >>> LeNet()(libgnn.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(50 * 4 * 4, 500)
        self.fc2 = nn.Linear(500, classes)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.get_parameter("bias"))

    def forward(self, images: Tensor) -> Tensor:
        _check_images("LeNet", images, self.conv1.in_channels)
        x = nn.chain(images, [self.conv1, self.pool, self.conv2, self.pool])
        return self.fc2(self.fc1.with_relu(flatten(x, 1)))


class LeNet5(Layer):
    """LeNet-5, as it is built today; its output is logits [N, classes]::

        conv1  channels -> 6, 5x5, padding 2;  activation;  pooling 2x2
        conv2  6 -> 16, 5x5;                   activation;  pooling 2x2
        fc1    400 -> 120;                     activation
        fc2    120 -> 84;                      activation
        fc3    84 -> classes

    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition"
    (1998). Unlike the original, conv2 sees all 6 planes, pooling has no coefficients, tanh is not
    scaled and the output is linear. Default initial weights. 61,706 parameters for MNIST.

    Args:
        channels: of the images [N, channels, 28, 28].
        classes: number of them.
        activation: "linear", "sigmoid", "tanh", "relu" or "leaky_relu".
        pooling: "average" or "max".

    Raises:
        ValueError: another activation or pooling; when called, images of another shape.

    >>> import libgnn
    >>> from libgnn.models import LeNet5
    >>> LeNet5(activation="relu", pooling="max")(libgnn.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        activation: str = "tanh",
        pooling: str = "average",
    ) -> None:
        super().__init__()
        _check_choice("LeNet5", "activation", activation, list(_FUNCTIONS))
        _check_choice("LeNet5", "pooling", pooling, ["average", "max"])
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)
        self.activation = activation
        self.pooling = pooling

    def forward(self, images: Tensor) -> Tensor:
        _check_images("LeNet5", images, self.conv1.in_channels)
        x = flatten(self._pooled(self.conv2, self._pooled(self.conv1, images)), 1)
        return self.fc3(self._activated(self.fc2, self._activated(self.fc1, x)))

    def _pooled(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        if self.pooling == "max" and self.activation == "relu":
            return conv.pooled(x, relu=True)
        y = _FUNCTIONS[self.activation](conv(x))
        return max_pool2d(y, 2) if self.pooling == "max" else avg_pool2d(y, 2)

    def _activated(self, fc: nn.Linear, x: Tensor) -> Tensor:
        if self.activation == "relu":
            return fc.with_relu(x)
        return _FUNCTIONS[self.activation](fc(x))

    def extra_repr(self) -> str:
        return f"activation={self.activation!r}, pooling={self.pooling!r}"


class MLP(nn.Sequential):
    """A multi-layer perceptron: MLP([784, 128, 10]) is
    Sequential(Flatten(), Linear(784, 128), ReLU(), Linear(128, 10)), and so is its state_dict.

    Inputs of any shape [N, ...] with sizes[0] elements per sample; the output is [N, sizes[-1]].

    Args:
        sizes: of the input, the hidden layers and the output.
        activation: between the linear layers: "linear", "sigmoid", "tanh", "relu", "leaky_relu".
        dropout: probability, behind every activation; 0: no such layers.

    Raises:
        ValueError: fewer than 2 sizes, another activation, a probability out of range.

    >>> import libgnn
    >>> from libgnn.models import MLP
    >>> MLP([784, 100, 10], activation="sigmoid")(libgnn.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(
        self, sizes: Sequence[int], activation: str = "relu", dropout: float = 0.0
    ) -> None:
        super().__init__()
        _check_choice("MLP", "activation", activation, list(_LAYERS))
        if len(sizes) < 2:
            raise InvalidValueError(
                "MLP: expected the sizes of the input and the output at least, got "
                f"{len(sizes)}"
            )
        layer = _LAYERS[activation]
        self.append(nn.Flatten())
        for position in range(1, len(sizes)):
            self.append(nn.Linear(sizes[position - 1], sizes[position]))
            if position + 1 < len(sizes):
                if layer is not None:
                    self.append(layer())
                if dropout != 0:
                    self.append(nn.Dropout(dropout))
