"""libgnn.optim's optimizers: PyTorch's values, groups, state, errors, lifetimes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy
import pytest

import libgnn
from libgnn.optim import SGD, Adam, AdamW, Optimizer

SHAPES = [(4, 3), (3,), (1, 2, 2)]

# Constructor arguments of every kind of update.
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.05}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.3}),
]
IDS = [f"{name}-{number}" for number, (name, _) in enumerate(KINDS)]


def parameters(rng: numpy.random.Generator) -> list[numpy.ndarray]:
    return [rng.normal(size=shape) for shape in SHAPES]


def leaf(values: Any) -> libgnn.Tensor:
    return libgnn.tensor(values, requires_grad=True)


def leaves(arrays: list[numpy.ndarray]) -> list[libgnn.Tensor]:
    return [leaf(array) for array in arrays]


def values_of(tensors: list[Any]) -> list[numpy.ndarray]:
    return [numpy.array(tensor.detach().numpy()) for tensor in tensors]


def train(optimizer: Any, tensors: list[Any], steps: int) -> None:
    """Steps on the sum of x^3 + x^2, whose gradients differ between elements and steps."""
    for _ in range(steps):
        optimizer.zero_grad()
        for tensor in tensors:
            (tensor * tensor * tensor + tensor * tensor).sum().backward()
        optimizer.step()


def same(a: list[numpy.ndarray], b: list[numpy.ndarray]) -> bool:
    return all(numpy.array_equal(x, y) for x, y in zip(a, b)) and len(a) == len(b)


@pytest.mark.parametrize(("name", "arguments"), KINDS, ids=IDS)
def test_values_are_pytorchs(torch: Any, rng: Any, name: str, arguments: dict[str, Any]) -> None:
    start = parameters(rng)
    ours = leaves(start)
    theirs = [torch.tensor(array, requires_grad=True) for array in start]
    train(getattr(libgnn.optim, name)(ours, **arguments), ours, 20)
    train(getattr(torch.optim, name)(theirs, **arguments), theirs, 20)
    for got, want in zip(values_of(ours), values_of(theirs)):
        # float64: some ten roundings a step, which twenty steps carry on.
        numpy.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "arguments"), KINDS, ids=IDS)
def test_a_loaded_state_goes_on_bitwise(rng: Any, name: str, arguments: dict[str, Any]) -> None:
    start = parameters(rng)
    whole, first = leaves(start), leaves(start)
    make = getattr(libgnn.optim, name)
    train(make(whole, **arguments), whole, 6)
    optimizer = make(first, **arguments)
    train(optimizer, first, 3)
    state = optimizer.state_dict()
    second = leaves(values_of(first))
    resumed = make(second, lr=0.7)
    resumed.load_state_dict(state)
    train(resumed, second, 3)
    assert same(values_of(second), values_of(whole))
    assert dict(resumed.param_groups[0]).keys() == dict(optimizer.param_groups[0]).keys()
    for key in state["param_groups"][0]:
        if key != "params":
            assert resumed.param_groups[0][key] == optimizer.param_groups[0][key]


@pytest.mark.parametrize(("name", "arguments"), KINDS, ids=IDS)
def test_state_dicts_have_pytorchs_form(
    torch: Any, rng: Any, name: str, arguments: dict[str, Any]
) -> None:
    """A state saved by either goes on in the other."""
    start = parameters(rng)
    ours = leaves(start)
    theirs = [torch.tensor(array, requires_grad=True) for array in start]
    mine = getattr(libgnn.optim, name)(ours, **arguments)
    other = getattr(torch.optim, name)(theirs, **arguments)
    train(mine, ours, 3)
    train(other, theirs, 3)
    state, reference = mine.state_dict(), other.state_dict()
    for number, values in reference["state"].items():
        present = {key for key, value in values.items() if value is not None}
        assert state["state"].get(number, {}).keys() - {"step"} == present - {"step"}
    for group, wanted in zip(state["param_groups"], reference["param_groups"]):
        assert group.keys() <= wanted.keys()
        assert group == {key: wanted[key] for key in group}

    # PyTorch's state here.
    resumed = leaves(values_of(theirs))
    optimizer = getattr(libgnn.optim, name)(resumed, lr=5)
    optimizer.load_state_dict(reference)
    train(optimizer, resumed, 3)
    train(other, theirs, 3)
    for got, want in zip(values_of(resumed), values_of(theirs)):
        numpy.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)

    # And the state here there.
    back = [torch.tensor(array, requires_grad=True) for array in values_of(ours)]
    theirs_again = getattr(torch.optim, name)(back, lr=5)
    theirs_again.load_state_dict(
        {
            "state": {
                number: {
                    key: torch.tensor(float(value) if key == "step" else value.numpy())
                    for key, value in values.items()
                }
                for number, values in state["state"].items()
            },
            "param_groups": [
                {**reference["param_groups"][0], **state["param_groups"][0]},
            ],
        }
    )
    train(theirs_again, back, 3)
    train(mine, ours, 3)
    for got, want in zip(values_of(ours), values_of(back)):
        numpy.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_defaults_are_pytorchs(torch: Any) -> None:
    for name, lr in (("SGD", 0.5), ("Adam", None), ("AdamW", None)):
        arguments = {} if lr is None else {"lr": lr}
        want = getattr(torch.optim, name)([torch.zeros(1)], **arguments).defaults
        got = getattr(libgnn.optim, name)([leaf([0.0])], **arguments).defaults
        assert got == {key: want[key] for key in got}


def test_groups_have_their_own_settings() -> None:
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = SGD([{"params": a}, {"params": (p for p in [b]), "lr": 0.5}], lr=0.25)
    for tensor in (a, b):
        (3 * tensor).sum().backward()
    optimizer.step()
    assert (a.item(), b.item()) == (1 - 0.75, 1 - 1.5)
    first, second = optimizer.param_groups
    assert first["params"][0] is a and second["params"][0] is b
    first["lr"] = 1
    second["weight_decay"] = 0.5
    optimizer.step()
    assert a.item() == 0.25 - 3
    assert b.item() == -0.5 - 0.5 * (3 + 0.5 * -0.5)
    assert (first["lr"], second["lr"], second["weight_decay"]) == (1, 0.5, 0.5)


def test_a_group_may_be_added() -> None:
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = SGD([a], lr=0.25, momentum=0.5)
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.add_param_group({"params": b})
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]
    assert optimizer.state_dict()["param_groups"][1]["params"] == [1]
    (a + b).sum().backward()
    optimizer.step()
    assert (a.item(), b.item()) == (0.5, 0.75)
    for bad in ({"params": a}, {"params": []}, {"params": leaf([1.0]), "lr": -1}):
        with pytest.raises(ValueError):
            optimizer.add_param_group(bad)
    assert len(optimizer.param_groups) == 2


def test_groups_are_like_dicts() -> None:
    optimizer = Adam([leaf([1.0])], lr=0.5, betas=(0.5, 0.6))
    group = optimizer.param_groups[0]
    assert list(group) == ["params", "lr", "betas", "eps", "weight_decay"]
    assert len(group) == 5
    assert group["betas"] == (0.5, 0.6)
    assert "momentum" not in group
    assert group.get("momentum", 7) == 7
    group["betas"] = (0.5, 0.6)  # what it is
    with pytest.raises(KeyError):
        group["momentum"]
    for key, value in (("betas", (0.1, 0.2)), ("params", []), ("lr", -1), ("lr", float("nan"))):
        with pytest.raises(ValueError):
            group[key] = value
    with pytest.raises(TypeError):
        group["lr"] = "fast"
    with pytest.raises(ValueError):
        del group["lr"]
    assert repr(optimizer).startswith("Adam (\nParameter Group 0\n    betas: (0.5, 0.6)\n")


def test_step_takes_a_closure() -> None:
    a = leaf([1.0])
    optimizer = SGD([a], lr=0.5)

    def closure() -> libgnn.Tensor:
        loss = (2 * a).sum()
        loss.backward()
        return loss

    with libgnn.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 2
    assert a.item() == 0
    assert optimizer.step() is None


def test_zero_grad() -> None:
    a = leaf([1.0])
    optimizer = SGD([a])
    for set_to_none, want in ((False, [0.0]), (True, None)):
        optimizer.zero_grad(set_to_none=set_to_none)  # where there is none yet
        a.sum().backward()
        optimizer.zero_grad(set_to_none=set_to_none)
        assert (a.grad if want is None else a.grad.tolist()) == want


def test_parameters_without_a_gradient_stay() -> None:
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = Adam([a, b])
    a.sum().backward()
    optimizer.step()
    assert b.item() == 1
    assert list(optimizer.state_dict()["state"]) == [0]
    assert optimizer.state_dict()["state"][0]["step"] == 1


def test_the_optimizer_keeps_its_parameters_alive() -> None:
    optimizer = SGD([leaf([1.0])], lr=0.5)
    gc.collect()
    parameter = optimizer.param_groups[0]["params"][0]
    parameter.sum().backward()
    optimizer.step()
    assert parameter.item() == 0.5
    group = optimizer.param_groups[0]
    del optimizer
    gc.collect()
    group["lr"] = 0.25  # the group has what it needs
    assert group["lr"] == 0.25


def test_optimizers_are_freed() -> None:
    optimizer = Adam([leaf([1.0])])
    reference = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ([], ValueError),
        (libgnn.zeros(2), TypeError),
        ({"params": []}, TypeError),
        ([1.0], TypeError),
        ([[libgnn.zeros(2)]], TypeError),
        ([{"lr": 1}], ValueError),
        ([{"params": []}], ValueError),
        (3, TypeError),
        (None, TypeError),
        ([libgnn.zeros(2, dtype=libgnn.int64)], TypeError),
        ([libgnn.zeros(2, requires_grad=True) * 2], libgnn.AutogradError),
        ([{"params": [libgnn.zeros(2)], "momentum": 0.5}], ValueError),
        ([{"params": [libgnn.zeros(2)], "speed": 0.5}], TypeError),
        ([{"params": [libgnn.zeros(2)], "foreach": True}], ValueError),
    ],
)
def test_parameters_that_make_no_sense(parameters: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        SGD(parameters)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda p: SGD(p, lr=-1), ValueError),
        (lambda p: SGD(p, lr=float("inf")), ValueError),
        (lambda p: SGD(p, lr="1"), TypeError),
        (lambda p: SGD(p, lr=None), TypeError),
        (lambda p: SGD(p, momentum=-1), ValueError),
        (lambda p: SGD(p, nesterov=True), ValueError),
        (lambda p: SGD(p, maximize=True), ValueError),
        (lambda p: SGD(p, speed=1), TypeError),
        (lambda p: Adam(p, betas=(0.9, 1.0)), ValueError),
        (lambda p: Adam(p, betas=(0.9,)), ValueError),
        (lambda p: Adam(p, betas=0.9), TypeError),
        (lambda p: Adam(p, amsgrad=True), ValueError),
        (lambda p: AdamW(p, eps=-1), ValueError),
        (lambda p: AdamW(p, weight_decay=-1), ValueError),
        (lambda p: SGD(p + p), ValueError),
    ],
)
def test_settings_that_make_no_sense(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make([leaf([1.0])])


def test_arguments_that_pytorch_has_may_be_given_their_defaults() -> None:
    SGD([leaf([1.0])], maximize=False, foreach=None, differentiable=False, fused=None)
    Adam([leaf([1.0])], amsgrad=False, capturable=False)
    with pytest.raises(ValueError, match="libgnn has no amsgrad.*only be False, got True"):
        AdamW([leaf([1.0])], amsgrad=True)


def damaged(saved: dict[str, Any], **changes: Any) -> dict[str, Any]:
    group = {**saved["param_groups"][0], **changes.pop("group", {})}
    return {**saved, "param_groups": [group], **changes}


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    a = leaf([1.0, 2.0])
    optimizer = Adam([a], lr=0.5)
    train(optimizer, [a], 2)
    state = optimizer.state_dict()
    values = state["state"][0]
    bad: list[tuple[type[Exception], Any]] = [
        (ValueError, SGD([a]).state_dict()),
        (ValueError, Adam([a, leaf([1.0])]).state_dict()),
        (ValueError, damaged(state, group={"lr": -1})),
        (ValueError, damaged(state, group={"betas": (0.9, 2)})),
        (ValueError, damaged(state, group={"amsgrad": True})),
        (ValueError, damaged(state, group={"decoupled_weight_decay": True})),
        (ValueError, damaged(state, state={1: values})),
        (ValueError, damaged(state, state={0: {**values, "step": 0}})),
        (ValueError, damaged(state, state={0: {**values, "step": 1.5}})),
        (ValueError, damaged(state, state={0: {**values, "max_exp_avg_sq": values["exp_avg"]}})),
        (ValueError, damaged(state, state={0: {"step": 1, "exp_avg": values["exp_avg"]}})),
        (ValueError, damaged(state, state={0: {**values, "exp_avg": libgnn.zeros(3)}})),
        (
            TypeError,
            damaged(state, state={0: {**values, "exp_avg": libgnn.zeros(2, dtype=libgnn.float64)}}),
        ),
        (KeyError, {"state": {}}),
        (TypeError, None),
    ]
    before = values_of([a, values["exp_avg"]])
    for error, given in bad:
        with pytest.raises(error):
            Adam([a]).load_state_dict(given)
        with pytest.raises(error):
            optimizer.load_state_dict(given)
    assert same(values_of([a, optimizer.state_dict()["state"][0]["exp_avg"]]), before)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert isinstance(optimizer, Optimizer)
