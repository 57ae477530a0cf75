"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from libgnn import _core
from libgnn.optim.optimizer import Group, Optimizer, Params

__all__ = ["Adam", "AdamW"]

Make = Callable[[list[Group], float, float, float], _core.Optimizer]


class _Adam(Optimizer):
    _decoupled: bool

    def __init__(
        self,
        params: Params,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        make: Make,
        elsewhere: Mapping[str, Any],
    ) -> None:
        beta1, beta2 = betas

        def scalars(settings: Mapping[str, Any]) -> dict[str, float]:
            return {
                "beta1": float(settings["betas"][0]),
                "beta2": float(settings["betas"][1]),
                "eps": float(settings["eps"]),
                "decoupled_weight_decay": float(self._decoupled),
            }

        super().__init__(
            params,
            {"lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay},
            lambda groups: make(groups, beta1, beta2, eps),
            scalars,
            elsewhere,
        )


class Adam(_Adam):
    """Adam (Kingma and Ba, 2015), without amsgrad.

    In update t, with gradient g and parameter p::

        g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2
        p = p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params: the parameters, float32 or float64, or dicts of groups {'params': ..., 'lr': ...,
            'weight_decay': ...}.
        lr: learning rate, not negative.
        betas: decay of the moments m and v, each in [0, 1).
        eps: added to the denominator, not negative.
        weight_decay: L2 penalty, added to the gradient.

    Raises:
        ValueError: for settings out of range, no parameters, or one given twice.
        TypeError: for parameters that are no Tensors, or of another dtype.
        AutogradError: for a parameter that is the result of an operation.

    State: 'step', 'exp_avg' (m), 'exp_avg_sq' (v).
    """

    _decoupled = False
    _fixed = {"decoupled_weight_decay": ((False,), "it is a state of AdamW")}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        **elsewhere: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, _core.Adam, elsewhere)


class AdamW(_Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), without amsgrad.

    As `Adam`, but weight_decay * lr * p is taken off the parameter itself, not added to its
    gradient. Arguments, errors and state are those of `Adam`, with a weight_decay of 0.01.
    """

    _decoupled = True
    _fixed = {"decoupled_weight_decay": ((True,), "it is a state of Adam")}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        **elsewhere: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, _core.AdamW, elsewhere)
