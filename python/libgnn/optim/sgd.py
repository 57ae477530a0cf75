"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libgnn import _core
from libgnn.optim.optimizer import Group, Optimizer, Params

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov momentum.

    With gradient g, parameter p and momentum buffer v::

        g = g + weight_decay * p
        v = momentum * v + (1 - dampening) * g      (v = g at the first update)
        g = g + momentum * v with nesterov, else v  (with momentum)
        p = p - lr * g

    Args:
        params: the parameters, float32 or float64, or dicts of groups {'params': ..., 'lr': ...,
            'weight_decay': ...}.
        lr: learning rate, not negative.
        momentum: not negative.
        dampening: of the gradient's share in v, from the second update on.
        weight_decay: L2 penalty, added to the gradient.
        nesterov: needs momentum > 0 and dampening = 0.

    Raises:
        ValueError: for settings out of range, no parameters, or one given twice.
        TypeError: for parameters that are no Tensors, or of another dtype.
        AutogradError: for a parameter that is the result of an operation.

    State: 'momentum_buffer', with momentum only.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        **elsewhere: Any,
    ) -> None:
        def make(groups: list[Group]) -> _core.Optimizer:
            return _core.SGD(groups, momentum, dampening, nesterov)

        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(params, defaults, make, _scalars, elsewhere)


def _scalars(settings: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(settings[name]) for name in ("momentum", "dampening", "nesterov")}
