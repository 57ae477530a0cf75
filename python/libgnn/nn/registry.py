"""Registry: attributes that are parts of a module."""

from __future__ import annotations

from typing import Any

from libgnn._core import Tensor
from libgnn.nn.parameter import Parameter

__all__ = ["REGISTRIES", "Registry"]

# Where a module keeps what is registered, and what its members are called in messages.
REGISTRIES = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "module"}
_EXPECTED = {"parameter": "nn.Parameter", "buffer": "Tensor", "module": "nn.Module"}


class Registry:
    """The attributes of a Module: parameters, buffers and children are kept in dictionaries."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent: set[str]

    def __init__(self) -> None:
        self.__dict__.update(_parameters={}, _buffers={}, _modules={}, _non_persistent=set())

    def _register(self, registry: str, name: str, value: Any, replace: bool = False) -> None:
        """Enters ``value`` under ``name``; ``replace`` takes the name from another attribute."""
        what = REGISTRIES[registry]
        fields = self.__dict__
        if registry not in fields:
            raise AttributeError(
                f"cannot assign {what} before Module.__init__() call: call super().__init__() first"
            )
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if name == "" or "." in name:
            raise KeyError(f'{what} name can\'t be empty or contain ".", got: "{name}"')
        taken = not replace and hasattr(self, name) and name not in fields[registry]
        if taken or hasattr(type(self), name):
            raise KeyError(f"attribute '{name}' already exists")
        fields.pop(name, None)
        for other in REGISTRIES:
            if other != registry:
                fields[other].pop(name, None)
        self._non_persistent.discard(name)
        fields[registry][name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, which becomes the attribute ``name``; None reserves the name.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: ``param`` is neither a Parameter nor None, or ``name`` no string.
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(libgnn.nn.Parameter or None required)"
            )
        self._register("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds state that is not trained; state_dict() has it if ``persistent``.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: ``tensor`` is neither a Tensor nor None, or ``name`` no string.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                "(libgnn.Tensor or None required)"
            )
        self._register("_buffers", name, tensor)
        if not persistent:
            self._non_persistent.add(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._register("_parameters", name, value, replace=True)
            return
        for registry, what in REGISTRIES.items():
            members = self.__dict__.get(registry, ())
            if name not in members:
                continue
            if value is not None and not (what == "buffer" and isinstance(value, Tensor)):
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as {what} '{name}' "
                    f"(libgnn.{_EXPECTED[what]} or None expected)"
                )
            members[name] = value
            return
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:  # called for what is not an ordinary attribute
        fields = self.__dict__
        if "_modules" not in fields:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}': Module.__init__() was "
                "not called"
            )
        # One by one instead of in a loop: each call of a layer comes here for its parameters.
        if name in fields["_parameters"]:
            return fields["_parameters"][name]
        if name in fields["_modules"]:
            return fields["_modules"][name]
        if name in fields["_buffers"]:
            return fields["_buffers"][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for registry in REGISTRIES:
            members = self.__dict__.get(registry, {})
            if name in members:
                del members[name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        members = [name for registry in REGISTRIES for name in self.__dict__.get(registry, ())]
        return sorted({*super().__dir__(), *members})
