"""Loading a state_dict: what fits, what does not, and the values themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from libgnn._core import Error, Tensor, as_tensor
from libgnn.autograd import no_grad

__all__ = ["IncompatibleKeys", "load_state"]


class IncompatibleKeys(NamedTuple):
    """Names that a module has and the state_dict has not, and the other way round."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


def load_state(
    kind: str, targets: Mapping[str, Tensor], state: Mapping[str, Any], strict: bool
) -> IncompatibleKeys:
    """Copies the values of ``state`` into ``targets`` of the same names, or changes nothing.

    Args:
        kind: the module's class, for the message.
        targets: what the module has.
        state: tensors, or anything that as_tensor() takes.
        strict: whether missing and unexpected names are errors.

    Raises:
        Error: names (if strict), shapes or types do not fit; the message lists all of them.
        TypeError: ``state`` is not a mapping.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state)}.")
    missing = [name for name in targets if name not in state]
    unexpected = [name for name in state if name not in targets]
    problems = []
    if strict and missing:
        problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
    if strict and unexpected:
        problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")

    sources = {}
    for name, target in targets.items():
        if name not in state:
            continue
        source = _tensor_of(state[name])
        if source is None:
            problems.append(
                f'While copying the parameter named "{name}", expected a Tensor or a tensor-like '
                f"object from checkpoint but received {type(state[name])}"
            )
        elif source.shape != target.shape:
            problems.append(
                f"size mismatch for {name}: copying a param with shape {list(source.shape)} from "
                f"checkpoint, the shape in current model is {list(target.shape)}."
            )
        else:
            sources[name] = source
    if problems:
        text = "".join(f"\n\t{problem}" for problem in problems)
        raise Error(f"Error(s) in loading state_dict for {kind}:{text}")

    with no_grad():
        for name, source in sources.items():
            targets[name].copy_(source)
    return IncompatibleKeys(missing, unexpected)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _tensor_of(value: Any) -> Tensor | None:
    """The value as a tensor; None for a type that is not one."""
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "__dlpack__") or hasattr(value, "__array__"):
        return as_tensor(value)
    return None
