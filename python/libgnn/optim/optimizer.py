"""What all optimizers have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Union

from libgnn import _core
from libgnn._core import InvalidValueError, Tensor
from libgnn._unsupported import reject_unsupported
from libgnn.optim.param_group import ParamGroup

__all__ = ["Optimizer", "ParamGroup", "Params"]

Params = Union[Iterable[Tensor], Iterable[Mapping[str, Any]]]
Group = tuple[list[Tensor], float, float]

# What PyTorch's optimizers take besides: the values that ask for nothing, and what to do instead.
_ELSEWHERE: dict[str, tuple[Sequence[Any], str]] = {
    "amsgrad": ((False,), "libgnn has Adam without it"),
    "maximize": ((False,), "minimize the loss times -1"),
    "foreach": ((None, False), "libgnn always updates all parameters of a group at once"),
    "fused": ((None, False), "libgnn always updates all parameters of a group at once"),
    "capturable": ((False,), "libgnn.Trainer captures steps by itself"),
    "differentiable": ((False,), "steps are not recorded"),
}


class Optimizer:
    """Base of `SGD`, `Adam` and `AdamW`: updates parameters in place from their gradients.

    A parameter without a gradient is skipped: neither it nor its state changes. State is created at
    a parameter's first update, on its device, so move a model to its device first. The optimizer
    keeps its parameters alive. It is not for several threads at a time.
    """

    # What PyTorch's state dicts say of an optimizer of this class.
    _fixed: Mapping[str, tuple[Sequence[Any], str]] = {}

    def __init__(
        self,
        params: Params,
        defaults: dict[str, Any],
        make: Callable[[list[Group]], _core.Optimizer],
        scalars: Callable[[Mapping[str, Any]], dict[str, float]],
        elsewhere: Mapping[str, Any],
    ) -> None:
        self.defaults = defaults
        self._settings = dict(defaults)  # those that all groups share
        self._kind = type(self).__name__
        reject_unsupported(self._kind, elsewhere, _ELSEWHERE)
        self._scalars = scalars
        groups = [self._checked(group) for group in _as_groups(self._kind, params)]
        self._native = make(
            [(group["params"], group["lr"], group["weight_decay"]) for group in groups]
        )
        self.param_groups: list[ParamGroup] = []
        for group in groups:
            self._append(group)

    def _append(self, group: dict[str, Any]) -> None:
        index = len(self.param_groups)
        added = ParamGroup(self._native, index, group["params"], self._settings)
        if "initial_lr" in group:
            added["initial_lr"] = group["initial_lr"]
        self.param_groups.append(added)

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A group with all of its settings."""
        if "params" not in given:
            raise InvalidValueError(f"{self._kind}: a parameter group has no 'params'")
        group: dict[str, Any] = {**self.defaults, **given}
        params = group["params"]
        group["params"] = [params] if isinstance(params, Tensor) else list(params)
        for parameter in group["params"]:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    f"{self._kind}: expected parameters that are Tensors, "
                    f"got {type(parameter).__name__}"
                )
        settings = {"params", "lr", "weight_decay", "initial_lr"}
        for name, value in given.items():
            if name in settings:
                continue
            if name not in self.defaults:
                reject_unsupported(self._kind, {name: value}, _ELSEWHERE)
            elif value != self._settings[name]:
                raise InvalidValueError(
                    f"{self._kind}: {name} is the same in all groups, {self._settings[name]!r}, "
                    f"got a group with {value!r}; groups may differ in lr and weight_decay"
                )
        return group

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Adds a group, for layers that are trained from some step on.

        Args:
            param_group: {'params': a tensor or an iterable of them} and, where they are not the
                optimizer's own, 'lr' and 'weight_decay'.

        Raises:
            ValueError: for a parameter that is in another group, no parameters, or settings out of
                range.
        """
        group = self._checked(param_group)
        self._native.add_group((group["params"], group["lr"], group["weight_decay"]))
        self._append(group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have a gradient. Does not wait for the device.

        Args:
            closure: computes the loss and its gradients; called first.

        Returns:
            What closure returned; None without one.
        """
        from libgnn.autograd import enable_grad

        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._native.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters; with `set_to_none=False` sets them to zero."""
        if set_to_none:
            self._native.zero_grad()
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The state and all settings, in PyTorch's form.

        Returns:
            {'state': {number of a parameter: {name: tensor or number}}, 'param_groups': [{setting:
            value, 'params': [number, ...]}]}. Parameters are counted through all groups; one that
            was never updated has no state. Tensors are shared, not copied: the next step changes
            them.
        """
        tensors, scalars = self._native.state_dict()
        state: dict[int, dict[str, Any]] = {}
        values: list[tuple[str, Any]] = [*scalars, *tensors]
        for key, value in values:
            part, _, rest = key.partition(".")
            if part != "state":
                continue
            number, _, name = rest.partition(".")
            state.setdefault(int(number), {})[name] = int(value) if name == "step" else value
        groups = []
        first = 0
        for group in self.param_groups:
            numbers = list(range(first, first + len(group["params"])))
            groups.append({**group, "params": numbers})
            first += len(numbers)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restores what `state_dict()` returned: training goes on bitwise as if never interrupted.

        A state dict of the same optimizer of PyTorch is as good. Values are copied, also from
        another device.

        Raises:
            ValueError: for the state of another kind of optimizer, other groups, or a setting out
                of range; ShapeError and DTypeError for a tensor that does not fit its parameter.
                Nothing is changed then.
        """
        saved_groups = [dict(group) for group in state_dict["param_groups"]]
        if [len(group["params"]) for group in saved_groups] != [
            len(group["params"]) for group in self.param_groups
        ]:
            raise InvalidValueError(
                f"{self._kind}: the saved state has groups of "
                f"{[len(group['params']) for group in saved_groups]} parameters, this optimizer "
                f"has groups of {[len(group['params']) for group in self.param_groups]}"
            )
        shared = self._shared_settings(saved_groups)
        scalars = list(self._scalars(shared).items())
        for index, group in enumerate(saved_groups):
            scalars.append((f"groups.{index}.lr", group["lr"]))
            scalars.append((f"groups.{index}.weight_decay", group["weight_decay"]))
        tensors: list[tuple[str, Tensor]] = []
        numbers = {
            saved: number
            for number, saved in enumerate(
                saved for group in saved_groups for saved in group["params"]
            )
        }
        for saved, values in state_dict["state"].items():
            if saved not in numbers:
                raise InvalidValueError(
                    f"{self._kind}: the saved state has a parameter {saved} that is in no group"
                )
            values = {name: value for name, value in values.items() if value is not None}
            if not values:
                continue
            prefix = f"state.{numbers[saved]}."
            # PyTorch does not count the updates of SGD, nor does it matter how many there were.
            scalars.append((prefix + "step", float(values.pop("step", 1))))
            tensors += [(prefix + name, _core.as_tensor(value)) for name, value in values.items()]
        self._native.load_state_dict(tensors, scalars)
        self._settings.update(shared)
        for own, saved_group in zip(self.param_groups, saved_groups):
            if "initial_lr" in saved_group:
                own["initial_lr"] = saved_group["initial_lr"]

    def _shared_settings(self, saved_groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The settings of saved groups that all groups must share."""
        shared: dict[str, Any] = {}
        own = {"params", "lr", "weight_decay", "initial_lr"}
        for group in saved_groups:
            for name in {"lr", "weight_decay", *self.defaults} - group.keys():
                raise InvalidValueError(f"{self._kind}: the saved state has no {name!r}")
            for name, value in group.items():
                if name in own:
                    continue
                if name not in self.defaults:
                    reject_unsupported(self._kind, {name: value}, {**_ELSEWHERE, **self._fixed})
                elif shared.setdefault(name, _plain(value)) != _plain(value):
                    raise InvalidValueError(
                        f"{self._kind}: the saved groups differ in {name!r}; "
                        "groups may differ in lr and weight_decay"
                    )
        return shared

    def __repr__(self) -> str:
        lines = [f"{self._kind} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _plain(value: Any) -> Any:
    """Betas are a tuple, also where they were a list in a file."""
    return tuple(value) if isinstance(value, list) else value


def _as_groups(kind: str, params: Params) -> list[Mapping[str, Any]]:
    if isinstance(params, (Tensor, Mapping)):
        raise TypeError(
            f"{kind}: expected params to be an iterable of Tensors or dicts, "
            f"got {type(params).__name__}"
        )
    given: list[Any] = list(params)
    if not given:
        raise InvalidValueError(f"{kind}: got an empty parameter list")
    if isinstance(given[0], Mapping):
        return given
    return [{"params": given}]
