"""Running layers one after the other, neighbours in one operation where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from libgnn._core import Tensor
from libgnn.nn.activation import ReLU
from libgnn.nn.conv import Conv2d
from libgnn.nn.linear import Linear
from libgnn.nn.module import Module
from libgnn.nn.pooling import MaxPool2d

__all__ = ["chain"]


def chain(input: Tensor, modules: Iterable[Module]) -> Tensor:
    """Runs modules one after the other: chain(x, [a, b, c]) is c(b(a(x))).

    Neighbours that one operation can do together are done by it, with the same result (on the CPU
    to the last bit, gradients to rounding)::

        Conv2d, [ReLU,] MaxPool2d(2)  ->  conv2d_pool()
        Linear, ReLU                  ->  linear_relu()

    unless one of them has a hook or is of a derived class. Errors name the layer that they come
    from. Sequential uses it.

    >>> import libgnn
    >>> from libgnn import nn
    >>> chain(libgnn.zeros(2, 1, 28, 28), [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)]).shape
    (2, 6, 12, 12)
    """
    layers = tuple(modules)
    value = input
    position = 0
    while position < len(layers):
        done = 0
        if isinstance(layers[position], (Linear, Conv2d)):
            value, done = _run_fused(layers, position, value)
        if done == 0:
            value, done = layers[position](value), 1
        position += done
    return value


def _run_fused(layers: Sequence[Module], position: int, value: Tensor) -> tuple[Tensor, int]:
    """Runs those from ``position`` on that one operation can do; says how many, or 0."""
    behind = position + 1
    if behind == len(layers):
        return value, 0
    layer = layers[position]
    relu = layers[behind]._runs_as(ReLU)
    if isinstance(layer, Linear):
        if relu and layer._runs_as(Linear):
            return layer.with_relu(value), 2
    elif isinstance(layer, Conv2d) and layer._runs_as(Conv2d):
        pool = layers[behind + relu] if behind + relu < len(layers) else None
        if isinstance(pool, MaxPool2d) and pool._runs_as(MaxPool2d) and pool.halves():
            return layer.pooled(value, relu), 2 + relu
    return value, 0
