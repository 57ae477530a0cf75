"""Modules that hold modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, Union, overload

from libgnn._core import Tensor
from libgnn.nn.chain import chain
from libgnn.nn.module import Layer, Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

Self = TypeVar("Self", bound="_List")


class _List(Module):
    """Children "0", "1", … in order, like a list; Sequential may name them otherwise."""

    _modules: dict[str, Any]

    def _name_at(self, index: int) -> str:
        position = operator.index(index)
        size = len(self)
        if not -size <= position < size:
            raise IndexError(f"index {position} is out of range")
        return list(self._modules)[position]

    def _replace_all(self, modules: Iterable[Module]) -> None:
        """Makes the modules the children, named by their positions."""
        found = list(modules)
        self._modules.clear()
        for position, module in enumerate(found):
            self.add_module(str(position), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._modules.values()))

    def __setitem__(self, index: int, module: Module) -> None:
        self._adopt(self._name_at(index), module, replace=True)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._name_at(index)]:
            del self._modules[name]
        self._replace_all(self)

    def append(self: Self, module: Module) -> Self:
        """Adds a module at the end, named by its position; returns this container.

        Raises KeyError if another module has that name.
        """
        name = str(len(self))
        if name in self._modules:
            raise KeyError(f"a module that is not the last has the name '{name}'")
        self.add_module(name, module)
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Adds modules at the end; returns this container."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: Self, index: int, module: Module) -> Self:
        """Adds a module before the one at ``index``; those behind it get new names."""
        self.append(module)
        modules = list(self)
        modules.insert(index, modules.pop())
        self._replace_all(modules)
        return self

    def pop(self, index: int = -1) -> Any:
        """Takes out the module at ``index`` and returns it. Raises IndexError."""
        module = self._modules[self._name_at(index)]
        del self[index]
        return module


class Sequential(_List, Layer):
    """Runs modules one after the other, by chain(), which fuses neighbours.

    Made of modules, named "0", "1", …, or of a dictionary with names. ``net[0]`` is a module,
    ``net[:2]`` another Sequential of the same modules. An empty one returns its input.

    Raises:
        TypeError: an argument is not a Module.
        IndexError: there is no such module.

    >>> import libgnn
    >>> from libgnn import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    >>> net(libgnn.zeros(64, 1, 28, 28)).shape
    (64, 10)
    >>> net[-1]
    Linear(in_features=128, out_features=10, bias=True)
    """

    @overload
    def __init__(self, *args: Module) -> None:
        ...

    @overload
    def __init__(self, modules: Mapping[str, Module], /) -> None:
        ...

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    @overload
    def __getitem__(self, index: slice) -> Sequential:
        ...

    @overload
    def __getitem__(self, index: int) -> Any:
        ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        return self._modules[self._name_at(index)]

    def forward(self, input: Tensor) -> Tensor:
        return chain(input, self._modules.values())


class ModuleList(_List):
    """A list of modules, which are children of it; to be used in a forward() of one's own.

    Indices, slices, ``+=``, append(), extend(), insert(), pop() and len() work as a list's.

    Raises:
        TypeError: an element is not a Module.
        IndexError: there is no such module.

    >>> from libgnn import nn
    >>> layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
    >>> len(layers), list(layers[1:].state_dict())[0]
    (3, '0.weight')
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    @overload
    def __getitem__(self, index: slice) -> ModuleList:
        ...

    @overload
    def __getitem__(self, index: int) -> Any:
        ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ModuleList(list(self._modules.values())[index])
        return self._modules[self._name_at(index)]

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])


class ModuleDict(Module):
    """A dictionary of modules, which are children of it; to be used in a forward() of one's own.

    Indices, ``in``, len(), keys(), values(), items(), update(), pop() and clear() work as a
    dictionary's.

    Raises:
        TypeError: a value is not a Module, or a key no string.
        KeyError: there is no such module; a key that is empty, has a dot or is an attribute.

    >>> from libgnn import nn
    >>> choices = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
    >>> choices["tanh"]
    Tanh()
    """

    _modules: dict[str, Any]

    def __init__(self, modules: Modules | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names with their modules."""
        return self._modules.items()

    def update(self, modules: Modules) -> None:
        """Adds modules, or replaces those of the same names."""
        named = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for name, module in named:
            self.add_module(name, module)

    def pop(self, key: str) -> Any:
        """Takes out a module and returns it. Raises KeyError."""
        return self._modules.pop(key)

    def clear(self) -> None:
        """Takes out all modules."""
        self._modules.clear()


Modules = Union["Mapping[str, Module]", ModuleDict, "Iterable[tuple[str, Module]]"]
