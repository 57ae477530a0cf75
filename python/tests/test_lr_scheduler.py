"""libgnn.optim.lr_scheduler: PyTorch's values step by step, state, errors, lifetimes."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import libgnn
from libgnn.optim import SGD, lr_scheduler
from libgnn.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)

Make = Callable[[Any, Any], Any]


def sequential(module: Any, optimizer: Any) -> Any:
    warmup = module.LinearLR(optimizer, start_factor=0.25, total_iters=4)
    return module.SequentialLR(optimizer, [warmup, module.CosineAnnealingLR(optimizer, 6)], [4])


# Of a module that has the schedules, and an optimizer.
SCHEDULES: dict[str, Make] = {
    "StepLR": lambda m, o: m.StepLR(o, 4, 0.3),
    "StepLR by default": lambda m, o: m.StepLR(o, step_size=5),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.7),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, T_max=5, eta_min=0.02),
    "CosineAnnealingLR by default": lambda m, o: m.CosineAnnealingLR(o, 30),
    "LinearLR": lambda m, o: m.LinearLR(o, 0.5, 0.75, 6),
    "LinearLR by default": lambda m, o: m.LinearLR(o),
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda step: 1 / (1 + step)),
    "LambdaLR by group": lambda m, o: m.LambdaLR(o, [lambda step: 0.9**step, lambda step: 1.0]),
    "SequentialLR": sequential,
    "SequentialLR of three": lambda m, o: m.SequentialLR(
        o, [m.StepLR(o, 1, 0.5), m.ExponentialLR(o, 0.7), m.LinearLR(o)], [3, 9]
    ),
}


def optimizer_with(*lrs: float) -> SGD:
    return SGD([{"params": libgnn.zeros(1, requires_grad=True), "lr": lr} for lr in lrs], lr=1)


def rates(optimizer: Any) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


@pytest.mark.parametrize("name", SCHEDULES)
def test_values_are_pytorchs(torch: Any, name: str) -> None:
    ours = optimizer_with(0.5, 0.1)
    theirs = torch.optim.SGD(
        [{"params": torch.zeros(1, requires_grad=True), "lr": lr} for lr in (0.5, 0.1)], lr=1
    )
    mine = SCHEDULES[name](lr_scheduler, ours)
    reference = SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    for step in range(25):
        # PyTorch computes rates from the rates before them, which rounds a few times each step.
        # CosineAnnealingLR divides two small numbers where it turns, hence the absolute part.
        assert rates(ours) == pytest.approx(rates(theirs), rel=1e-13, abs=1e-16), step
        assert mine.get_last_lr() == rates(ours)
        assert mine.last_epoch == step == reference.last_epoch
        ours.step()
        theirs.step()
        mine.step()
        reference.step()


def test_each_groups_initial_lr_is_the_base(torch: Any) -> None:
    """Another schedule on the same optimizer starts from the same base rates."""
    optimizer = optimizer_with(0.5, 0.25)
    schedule = ExponentialLR(optimizer, 0.5)
    schedule.step()
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.5, 0.25]
    assert schedule.base_lrs == [0.5, 0.25]
    assert StepLR(optimizer, 3).base_lrs == [0.5, 0.25]
    assert rates(optimizer) == [0.5, 0.25]


@pytest.mark.parametrize("name", SCHEDULES)
def test_goes_on_from_its_state(name: str) -> None:
    optimizer = optimizer_with(0.5, 0.1)
    schedule = SCHEDULES[name](lr_scheduler, optimizer)
    for _ in range(5):
        schedule.step()
    state = schedule.state_dict()
    assert state["last_epoch"] == 5

    other = optimizer_with(7, 8)
    resumed = SCHEDULES[name](lr_scheduler, other)
    resumed.load_state_dict(state)
    for _ in range(10):
        assert rates(other) == rates(optimizer) == resumed.get_last_lr()
        schedule.step()
        resumed.step()


def test_pytorchs_state_is_as_good(torch: Any) -> None:
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    reference = torch.optim.lr_scheduler.StepLR(theirs, 2, 0.5)
    for _ in range(3):
        theirs.step()
        reference.step()
    optimizer = optimizer_with(1)
    schedule = StepLR(optimizer, 2, 0.5)
    schedule.load_state_dict(reference.state_dict())
    assert rates(optimizer) == [0.25]
    assert schedule.last_epoch == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer, last_epoch: StepLR(optimizer, 3, last_epoch=last_epoch),
        lambda optimizer, last_epoch: ExponentialLR(optimizer, 0.7, last_epoch=last_epoch),
        lambda optimizer, last_epoch: CosineAnnealingLR(optimizer, 6, last_epoch=last_epoch),
        lambda optimizer, last_epoch: LinearLR(optimizer, last_epoch=last_epoch),
        lambda optimizer, last_epoch: LambdaLR(optimizer, lambda s: 0.9**s, last_epoch=last_epoch),
    ],
)
def test_last_epoch_resumes(make: Any) -> None:
    optimizer = optimizer_with(0.5, 0.1)
    schedule = make(optimizer, -1)
    for _ in range(4):
        schedule.step()
    again = make(optimizer, 3)
    assert again.last_epoch == 4
    assert again.get_last_lr() == schedule.get_last_lr() == rates(optimizer)


def test_last_epoch_needs_initial_rates() -> None:
    with pytest.raises(KeyError, match="initial_lr.*param_groups\\[0\\]"):
        StepLR(optimizer_with(1), 1, last_epoch=3)
    with pytest.raises(ValueError):
        StepLR(optimizer_with(1), 1, last_epoch=-2)


def test_the_schedule_keeps_its_optimizer_alive() -> None:
    optimizer = optimizer_with(1)
    group = optimizer.param_groups[0]
    schedule = SequentialLR(optimizer, [LinearLR(optimizer), LambdaLR(optimizer, lambda s: s)], [2])
    del optimizer
    gc.collect()
    for _ in range(5):
        schedule.step()
    assert group["lr"] == 3


def test_schedules_are_freed() -> None:
    references = []
    for make in SCHEDULES.values():
        optimizer = optimizer_with(1, 2)
        schedule = make(lr_scheduler, optimizer)
        references += [weakref.ref(schedule), weakref.ref(optimizer)]
    del schedule, optimizer
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


class Sawtooth(LRScheduler):
    def __init__(self, optimizer: SGD, length: int) -> None:
        self.length = length
        super().__init__(optimizer)

    def lr_at(self, group: int, base_lr: float, step: int) -> float:
        return base_lr * (1 - step % self.length / self.length)


def test_a_formula_of_ones_own() -> None:
    optimizer = optimizer_with(1, 2)
    schedule = Sawtooth(optimizer, 2)
    seen = []
    for _ in range(4):
        seen.append(rates(optimizer))
        schedule.step()
    assert seen == [[1, 2], [0.5, 1], [1, 2], [0.5, 1]]


def test_a_formula_that_raises() -> None:
    class Unlucky(Exception):
        pass

    def formula(step: int) -> float:
        if step == 2:
            raise Unlucky("step 2")
        return 1.0

    optimizer = optimizer_with(1)
    schedule = LambdaLR(optimizer, formula)
    schedule.step()
    with pytest.raises(Unlucky, match="step 2"):
        schedule.step()
    with pytest.raises(TypeError):
        LambdaLR(optimizer, lambda step: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(NotImplementedError):
        LRScheduler(optimizer)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda o: StepLR(o, 0), ValueError),
        (lambda o: StepLR(o, 1.5), TypeError),
        (lambda o: StepLR(o, 1, -1), ValueError),
        (lambda o: StepLR(o, 1, verbose=True), ValueError),
        (lambda o: StepLR(None, 1), TypeError),
        (lambda o: ExponentialLR(o, math.nan), ValueError),
        (lambda o: CosineAnnealingLR(o, 0), ValueError),
        (lambda o: CosineAnnealingLR(o, 3, -1), ValueError),
        (lambda o: LinearLR(o, 0), ValueError),
        (lambda o: LinearLR(o, 1, 2), ValueError),
        (lambda o: LinearLR(o, total_iters=-1), ValueError),
        (lambda o: LambdaLR(o, [lambda s: s] * 3), ValueError),
        (lambda o: SequentialLR(o, [], []), ValueError),
        (lambda o: SequentialLR(o, [StepLR(o, 1)], [1]), ValueError),
        (lambda o: SequentialLR(o, [StepLR(o, 1)] * 3, [2, 1]), ValueError),
        (lambda o: SequentialLR(o, [StepLR(optimizer_with(1), 1)], []), ValueError),
    ],
)
def test_arguments_that_make_no_sense(make: Any, error: type[Exception]) -> None:
    optimizer = optimizer_with(0.5)
    with pytest.raises(error):
        make(optimizer)
    assert rates(optimizer) == [0.5]


def test_states_that_do_not_fit() -> None:
    optimizer = optimizer_with(0.5)
    schedule = StepLR(optimizer, 2)
    bad: list[tuple[type[Exception], Any]] = [
        (ValueError, {"last_epoch": 1, "base_lrs": []}),
        (ValueError, {"last_epoch": 1, "base_lrs": [-1.0]}),
        (ValueError, {"last_epoch": -1, "base_lrs": [1.0]}),
        (ValueError, {"last_epoch": 1, "base_lrs": [1.0], "gamma": 0.3}),
        (KeyError, {"last_epoch": 1}),
        (TypeError, {"last_epoch": 1.5, "base_lrs": [1.0]}),
    ]
    for error, state in bad:
        with pytest.raises(error):
            schedule.load_state_dict(state)
    assert (schedule.last_epoch, rates(optimizer)) == (0, [0.5])
