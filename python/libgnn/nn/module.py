"""Module: the base of every layer and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from libgnn import _core
from libgnn._core import DTypeError, Error, Tensor
from libgnn.nn.hooks import RemovableHandle
from libgnn.nn.naming import name_layer
from libgnn.nn.parameter import Parameter
from libgnn.nn.registry import REGISTRIES, Registry
from libgnn.nn.state import IncompatibleKeys, load_state
from libgnn.nn.transfer import DeviceLike, destination, move

__all__ = ["Layer", "Module"]

Self = TypeVar("Self", bound="Module")


def _forward_unimplemented(self: Module, *args: Any) -> Any:
    """Computes the module's output; every subclass defines it. Call the module instead."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


class Module(Registry):
    """Base class of all layers and models; it works as ``torch.nn.Module`` does.

    Parameters, buffers and other modules become parts of a module when they are assigned to its
    attributes. Call the module, not forward(): ``model(x)`` also runs hooks, and a
    ``libgnn.Error`` from inside names the layer that it comes from: "... [in layer features.0]".

    >>> import libgnn
    >>> from libgnn import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc1 = nn.Linear(4, 8)
    ...         self.fc2 = nn.Linear(8, 2)
    ...     def forward(self, x):
    ...         return self.fc2(libgnn.relu(self.fc1(x)))
    >>> net = Net()
    >>> net(libgnn.zeros(3, 4)).shape
    (3, 2)
    >>> list(net.state_dict())
    ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']
    """

    training: bool
    _modules: dict[str, Module | None]
    _forward_hooks: dict[int, Any]
    _forward_pre_hooks: dict[int, Any]

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(training=True, _forward_hooks={}, _forward_pre_hooks={})

    # Parts ------------------------------------------------------------------------------------

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child, which becomes the attribute ``name``.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: ``module`` is neither a Module nor None, or ``name`` no string.
            ValueError: ``module`` is this module or contains it.
        """
        self._adopt(name, module)

    register_module = add_module

    def _adopt(self, name: str, module: Module | None, replace: bool = False) -> None:
        if module is not None:
            if not isinstance(module, Module):
                raise TypeError(f"{type(module).__name__} is not a Module subclass")
            if any(part is self for part in module.modules()):
                raise ValueError(f"the child '{name}' of {type(self).__name__} contains its parent")
        self._register("_modules", name, module, replace)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module):
            self._adopt(name, value, replace=True)
        else:
            super().__setattr__(name, value)

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module (under ``prefix``) and all inside it with their paths, parents first.

        Each comes once, unless ``remove_duplicate`` is False.
        """
        memo = set() if memo is None else memo
        if remove_duplicate:
            if self in memo:
                return
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside this one with their names, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly inside this one, each once."""
        for _, module in self.named_children():
            yield module

    def _named_tensors(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules if recurse else [(prefix, self)]:
            for name, tensor in module.__dict__[registry].items():
                if tensor is None:
                    continue
                if remove_duplicate:
                    if id(tensor) in seen:
                        continue
                    seen.add(id(tensor))
                yield f"{path}.{name}" if path else name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths, in order of registration; a shared one comes once.

        Args:
            prefix: stands before all names, with a dot.
            recurse: False leaves out those of other modules inside this one.
            remove_duplicate: False gives a shared parameter under each of its names.
        """
        yield from self._named_tensors("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer takes."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """named_parameters(), but of buffers."""
        yield from self._named_tensors("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "features.0"; this one for "". Raises AttributeError."""
        module: Any = self
        for name in target.split(".") if target else []:
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        found: Module = module
        return found

    def _get_tensor(self, registry: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in module.__dict__[registry]:
            raise AttributeError(f"`{name}` is not a {REGISTRIES[registry]}")
        return module.__dict__[registry][name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "features.0.weight". Raises AttributeError."""
        parameter: Parameter = self._get_tensor("_parameters", target)
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path. Raises AttributeError."""
        buffer: Tensor = self._get_tensor("_buffers", target)
        return buffer

    # State --------------------------------------------------------------------------------------

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Parameters and persistent buffers of this module and all inside it, by path.

        Names and order are PyTorch's. The tensors share the module's memory, without history;
        with ``keep_vars`` they are the parameters themselves.
        """
        state: dict[str, Tensor] = {}
        for path, module in self.named_modules(remove_duplicate=False):
            start = f"{prefix}{path}." if path else prefix
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None and name not in module._non_persistent:
                    state[start + name] = tensor if keep_vars else tensor.detach()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copies values in by name, from any device and floating dtype.

        Args:
            state_dict: tensors, or what as_tensor() takes: NumPy arrays, tensors of PyTorch.
            strict: whether all names must be the same.

        Returns:
            The names that are missing and those that were not expected.

        Raises:
            Error: names (if ``strict``) or shapes do not fit. The message lists all that do not;
                nothing is changed.
            TypeError: ``state_dict`` is not a mapping.
        """
        targets = self.state_dict(keep_vars=True)
        return load_state(type(self).__name__, targets, state_dict, strict)

    def train(self: Self, mode: bool = True) -> Self:
        """Puts this module and all inside it into training mode, or evaluation mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Puts this module and all inside it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Sets requires_grad of all parameters; False freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or sets them to 0."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    @overload
    def to(self: Self, device: DeviceLike | None = ..., dtype: _core.dtype | None = ...) -> Self:
        ...

    @overload
    def to(self: Self, dtype: _core.dtype) -> Self:
        ...

    @overload
    def to(self: Self, tensor: Tensor) -> Self:
        ...

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Moves parameters and buffers to a device, or converts the floating ones to a dtype.

        ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``: in place, also for
        all other modules and optimizers that hold the same tensors; gradients come along.

        Returns:
            This module.

        Raises:
            DTypeError: ``dtype`` is not floating.
            DeviceError: the device cannot be used.
        """
        device, dtype = destination(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise DTypeError(f"Module.to: expected a floating dtype, got {dtype}")
        for _, tensor in [*self.named_parameters(), *self.named_buffers()]:
            move(tensor, device, dtype if tensor.dtype.is_floating_point else None)
        return self

    def float(self: Self) -> Self:
        """Converts floating parameters and buffers to float32."""
        return self.to(dtype=_core.dtype.float32)

    def double(self: Self) -> Self:
        """Converts floating parameters and buffers to float64."""
        return self.to(dtype=_core.dtype.float64)

    def cpu(self: Self) -> Self:
        """Moves parameters and buffers to the CPU."""
        return self.to("cpu")

    def cuda(self: Self, device: int | DeviceLike | None = None) -> Self:
        """Moves parameters and buffers to a CUDA device, by default the first."""
        if device is None or isinstance(device, int):
            device = f"cuda:{device or 0}"
        return self.to(device)

    # Running ------------------------------------------------------------------------------------

    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs hooks and forward(); a libgnn.Error from inside names this layer."""
        try:
            if not self._forward_pre_hooks and not self._forward_hooks:
                return self.forward(*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        except Error as error:
            name_layer(error, self)
            raise

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for pre_hook in list(self._forward_pre_hooks.values()):
            changed = pre_hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **kwargs)
        for hook in list(self._forward_hooks.values()):
            changed = hook(self, args, output)
            if changed is not None:
                output = changed
        return output

    def _runs_as(self, layer: type[Module]) -> bool:
        """True if this is exactly a ``layer``, and nobody wants to see it run: it may be fused."""
        return (
            type(self) is layer
            and not self._forward_pre_hooks
            and not self._forward_hooks
            and "forward" not in self.__dict__
        )

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, args)`` before forward(); what it returns, if not None, is the
        new argument, or a tuple of them."""
        return RemovableHandle(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after forward(); what it returns, if not None,
        replaces the output."""
        return RemovableHandle(self._forward_hooks, hook)

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Calls ``fn`` with every module inside this one, then with this one; returns it."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # Text ---------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of repr(): the constructor's arguments."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        for name, module in self._modules.items():
            lines.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        if not self._modules and len(lines) <= 1:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


class Layer(Module):
    """A module that makes one tensor from one tensor, which type checkers are to know."""

    if TYPE_CHECKING:

        def __call__(self, input: Tensor) -> Tensor:
            ...
