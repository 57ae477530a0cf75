"""Learning-rate schedules: `step()` is called after the optimizer's, per epoch or per batch.

>>> import libgnn
>>> optimizer = libgnn.optim.SGD([libgnn.zeros(2, requires_grad=True)], lr=1.0)
>>> schedule = libgnn.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
>>> for epoch in range(4):
...     print(schedule.get_last_lr())
...     optimizer.step()
...     schedule.step()
[1.0]
[1.0]
[0.5]
[0.5]

The rates are a function of base rate and step alone: rates that are set otherwise in between are
overwritten, and of two schedules on one optimizer the one that steps last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from libgnn import _core
from libgnn._core import InvalidValueError
from libgnn.optim.optimizer import Optimizer

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "SequentialLR",
    "StepLR",
]

Formula = Callable[[int, float, int], float]


class _PythonSchedule(_core.Schedule):
    """A schedule of C++ whose formula is a function of Python."""

    def __init__(self, optimizer: _core.Optimizer, formula: Formula) -> None:
        super().__init__(optimizer)
        self._formula = formula
        self.load_state(0, self.base_lrs)  # sets the rates of step 0

    def group_lr_at(self, group: int, base_lr: float, step: int) -> float:
        return float(self._formula(group, base_lr, step))


class LRScheduler:
    """Base of the schedules; derive from it for a formula of your own.

    A schedule takes each group's 'initial_lr' as its base rate, which is the learning rate that
    the group had when its first schedule was made, and keeps the optimizer alive.

    >>> import libgnn
    >>> class Sawtooth(libgnn.optim.lr_scheduler.LRScheduler):
    ...     def lr_at(self, group, base_lr, step):
    ...         return base_lr * (1 - step % 4 / 4)
    >>> optimizer = libgnn.optim.SGD([libgnn.zeros(2, requires_grad=True)], lr=1.0)
    >>> schedule = Sawtooth(optimizer)
    >>> schedule.step()
    >>> optimizer.param_groups[0]["lr"]
    0.75

    Args:
        optimizer: whose learning rates are set, those of step 0 at once.
        last_epoch: number of steps that were made before, less one: -1 at the beginning.

    Raises:
        KeyError: for a last_epoch that is not -1 where a group has no 'initial_lr'.
        ValueError: for a last_epoch below -1.
    """

    # Names of the arguments that a saved state must have in common with a schedule that loads it.
    _arguments: Sequence[str] = ()

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1, verbose: bool = False) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"expected an Optimizer of libgnn, got {type(optimizer).__name__}")
        if verbose not in (False, "deprecated"):
            raise InvalidValueError(
                f"{type(self).__name__}: expected verbose=False; print get_last_lr() instead"
            )
        if last_epoch < -1:
            raise InvalidValueError(
                f"{type(self).__name__}: expected last_epoch of at least -1, got {last_epoch}"
            )
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"'initial_lr' is not in param_groups[{number}], which a schedule with "
                    f"last_epoch={last_epoch} needs"
                )
        before = [group["lr"] for group in optimizer.param_groups]
        try:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            self._native = self._make(optimizer._native)
            if last_epoch != -1:
                self._native.load_state(last_epoch + 1, self.base_lrs)
        except BaseException:
            for group, lr in zip(optimizer.param_groups, before):
                group["lr"] = lr
            raise

    def _make(self, optimizer: _core.Optimizer) -> _core.Schedule:
        if type(self).lr_at is LRScheduler.lr_at:
            raise NotImplementedError(f"{type(self).__name__} must define lr_at()")
        return _PythonSchedule(optimizer, self.lr_at)

    def lr_at(self, group: int, base_lr: float, step: int) -> float:
        """The learning rate after `step` steps of the group with that number and base rate."""
        return self._native.group_lr_at(group, base_lr, step)

    def step(self) -> None:
        """Advances by one step and sets the learning rate of every group."""
        self._native.step()

    def get_last_lr(self) -> list[float]:
        """The learning rate of every group that the last step set."""
        steps = self.last_epoch
        return [
            self._native.group_lr_at(number, base_lr, steps)
            for number, base_lr in enumerate(self.base_lrs)
        ]

    @property
    def last_epoch(self) -> int:
        """Number of steps so far."""
        return self._native.steps

    @property
    def base_lrs(self) -> list[float]:
        """The base rate of every group."""
        return self._native.base_lrs

    def state_dict(self) -> dict[str, Any]:
        """What the schedule needs to go on where it is: 'last_epoch', 'base_lrs', its arguments."""
        arguments = {name: getattr(self, name) for name in self._arguments}
        return {"last_epoch": self.last_epoch, "base_lrs": self.base_lrs, **arguments}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on from a saved state, libgnn's or PyTorch's, and sets its learning rates.

        Raises:
            KeyError: for a state without 'last_epoch' or 'base_lrs'.
            ValueError: for the state of a schedule with other arguments, another number of groups,
                or values out of range. Nothing is changed then.
        """
        for name in self._arguments:
            if name in state_dict and state_dict[name] != getattr(self, name):
                raise InvalidValueError(
                    f"{type(self).__name__}: the saved state is of a schedule with "
                    f"{name}={state_dict[name]!r}, this one has {getattr(self, name)!r}"
                )
        self._native.load_state(state_dict["last_epoch"], list(state_dict["base_lrs"]))


class StepLR(LRScheduler):
    """lr = base * gamma^floor(step / step_size).

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        step_size: at least 1.
        gamma: not negative.

    Raises:
        ValueError: for arguments out of range.
    """

    _arguments = ("step_size", "gamma")

    def __init__(
        self,
        optimizer: Optimizer,
        step_size: int,
        gamma: float = 0.1,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch, verbose)

    def _make(self, optimizer: _core.Optimizer) -> _core.Schedule:
        return _core.StepLR(optimizer, self.step_size, self.gamma)


class ExponentialLR(LRScheduler):
    """lr = base * gamma^step.

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        gamma: not negative.

    Raises:
        ValueError: for arguments out of range.
    """

    _arguments = ("gamma",)

    def __init__(
        self, optimizer: Optimizer, gamma: float, last_epoch: int = -1, verbose: bool = False
    ) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch, verbose)

    def _make(self, optimizer: _core.Optimizer) -> _core.Schedule:
        return _core.ExponentialLR(optimizer, self.gamma)


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (base - eta_min) * (1 + cos(pi * step / T_max)) / 2.

    From base down to eta_min in T_max steps; further steps go up again, with period 2 * T_max.

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        T_max: at least 1.
        eta_min: not negative.

    Raises:
        ValueError: for arguments out of range.
    """

    _arguments = ("T_max", "eta_min")

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,
        eta_min: float = 0,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch, verbose)

    def _make(self, optimizer: _core.Optimizer) -> _core.Schedule:
        return _core.CosineLR(optimizer, self.T_max, self.eta_min)


class LinearLR(LRScheduler):
    """A straight line from base * start_factor to base * end_factor in total_iters steps.

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        start_factor: in (0, 1].
        end_factor: in [0, 1]; the factor from step total_iters on.
        total_iters: not negative.

    Raises:
        ValueError: for arguments out of range.
    """

    _arguments = ("start_factor", "end_factor", "total_iters")

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch, verbose)

    def _make(self, optimizer: _core.Optimizer) -> _core.Schedule:
        return _core.LinearLR(optimizer, self.start_factor, self.end_factor, self.total_iters)


class LambdaLR(LRScheduler):
    """lr = base * lr_lambda(step).

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        lr_lambda: a function of the step, or a list of them, one for each group.

    Raises:
        ValueError: for a list of another length.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise InvalidValueError(
                f"LambdaLR: expected {groups} lr_lambdas, one for each parameter group, "
                f"got {len(self.lr_lambdas)}"
            )
        super().__init__(optimizer, last_epoch, verbose)

    def lr_at(self, group: int, base_lr: float, step: int) -> float:
        return base_lr * self.lr_lambdas[group](step)


class SequentialLR(LRScheduler):
    """Several schedules, one after the other; each starts with its step 0 at its milestone.

    >>> import libgnn
    >>> from libgnn.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR
    >>> optimizer = libgnn.optim.SGD([libgnn.zeros(2, requires_grad=True)], lr=1.0)
    >>> warmup = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> schedule = SequentialLR(optimizer, [warmup, ExponentialLR(optimizer, 0.5)], [2])
    >>> for step in range(4):
    ...     print(optimizer.param_groups[0]["lr"])
    ...     schedule.step()
    0.5
    0.75
    1.0
    0.5

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        schedulers: schedules of that optimizer; only their formulas are used, they do not step.
        milestones: the step at which each but the first starts, in ascending order.

    Raises:
        ValueError: for no schedules, those of another optimizer, or another number of milestones.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
        verbose: bool = False,
    ) -> None:
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        for schedule in self._schedulers:
            if schedule.optimizer is not optimizer:
                raise InvalidValueError(
                    "SequentialLR: expected schedules of the optimizer that is given"
                )
        super().__init__(optimizer, last_epoch, verbose)

    def _make(self, optimizer: _core.Optimizer) -> _core.Schedule:
        natives = [schedule._native for schedule in self._schedulers]
        return _core.SequentialLR(natives, self._milestones)
