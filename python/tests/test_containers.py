"""Sequential, ModuleList, ModuleDict and chain()."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy
import pytest

import libgnn
from libgnn import nn


def kinds(modules: Any) -> list[str]:
    return [type(module).__name__ for module in modules]


class TestSequential:
    def test_indices_and_slices(self) -> None:
        net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        assert len(net) == 4 and kinds(net) == ["Flatten", "Linear", "ReLU", "Linear"]
        assert net[1] is net[-3]
        assert isinstance(net[1:3], nn.Sequential) and kinds(net[1:3]) == ["Linear", "ReLU"]
        assert list(net[3:].state_dict()) == ["3.weight", "3.bias"]
        for index in (4, -5):
            with pytest.raises(IndexError, match=f"index {index} is out of range"):
                net[index]
        with pytest.raises(TypeError):
            net["a"]

    def test_names(self) -> None:
        net = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3), act=nn.ReLU()))
        assert net.conv is net[0] and list(net.state_dict()) == ["conv.weight", "conv.bias"]
        assert nn.Sequential({"a": nn.ReLU()}).append(nn.Tanh())[1] is not None
        taken = nn.Sequential({"1": nn.ReLU()})
        with pytest.raises(KeyError, match="has the name '1'"):
            taken.append(nn.Tanh())
        assert kinds(taken) == ["ReLU"]

    def test_changes(self) -> None:
        net = nn.Sequential()
        assert net.append(nn.ReLU()) is net
        net.extend([nn.Tanh(), nn.Sigmoid()]).insert(1, nn.ELU())
        assert kinds(net) == ["ReLU", "ELU", "Tanh", "Sigmoid"]
        assert [name for name, _ in net.named_children()] == ["0", "1", "2", "3"]
        del net[1]
        assert isinstance(net.pop(), nn.Sigmoid)
        net[0] = nn.SiLU()
        assert kinds(net) == ["SiLU", "Tanh"]
        assert [name for name, _ in net.named_children()] == ["0", "1"]
        net.insert(-1, nn.ELU())
        assert kinds(net) == ["SiLU", "ELU", "Tanh"]
        del net[:2]
        assert repr(net) == "Sequential(\n  (0): Tanh()\n)"

    def test_no_other_things(self) -> None:
        with pytest.raises(TypeError, match="int is not a Module subclass"):
            nn.Sequential(3)
        net = nn.Sequential(nn.ReLU())
        for change in (
            lambda: net.append(libgnn.relu),
            lambda: net.insert(0, 3),
            lambda: net.__setitem__(0, 3),
        ):
            with pytest.raises(TypeError, match="is not a Module subclass"):
                change()
        assert kinds(net) == ["ReLU"]

    def test_empty(self) -> None:
        x = libgnn.ones(2)
        assert nn.Sequential()(x) is x
        assert repr(nn.Sequential()) == "Sequential()"


class TestModuleList:
    def test_works_as_a_list(self) -> None:
        layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
        layers += [nn.ReLU()]
        assert isinstance(layers, nn.ModuleList) and len(layers) == 3
        assert kinds(layers[1:]) == ["Linear", "ReLU"]
        assert kinds(layers + [nn.Tanh()]) == ["Linear", "Linear", "ReLU", "Tanh"]
        assert len(layers) == 3 and layers[-1] in layers
        assert list(layers.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
        with pytest.raises(IndexError):
            layers[3]
        with pytest.raises(NotImplementedError):
            layers(libgnn.ones(1))

    def test_a_slice_does_not_rename(self) -> None:
        class Tail(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.ModuleList([nn.ReLU(), nn.Linear(3, 2)])

            def forward(self, x: libgnn.Tensor) -> libgnn.Tensor:
                for layer in self.layers[1:]:
                    x = layer(x)
                return x

        with pytest.raises(libgnn.ShapeError, match=r"\[in layer layers.1\]$"):
            Tail()(libgnn.zeros(1, 4))


class TestModuleDict:
    def test_works_as_a_dictionary(self) -> None:
        choices = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
        assert "a" in choices and "c" not in choices and len(choices) == 2
        assert list(choices) == list(choices.keys()) == ["a", "b"]
        assert kinds(choices.values()) == ["ReLU", "Linear"]
        choices.update([("a", nn.Tanh()), ("c", nn.ELU())])
        choices["d"] = nn.SiLU()
        assert [(key, type(module).__name__) for key, module in choices.items()] == [
            ("a", "Tanh"),
            ("b", "Linear"),
            ("c", "ELU"),
            ("d", "SiLU"),
        ]
        assert isinstance(choices.pop("d"), nn.SiLU)
        del choices["c"]
        for key in ("c", "d"):
            with pytest.raises(KeyError):
                choices[key]
        for key in ("", "a.b", "keys"):
            with pytest.raises(KeyError):
                choices[key] = nn.ReLU()
        choices.clear()
        assert len(choices) == 0 and not list(choices.parameters())
        assert kinds(nn.ModuleDict(nn.ModuleDict({"a": nn.ReLU()})).values()) == ["ReLU"]


def stages(pool: nn.Module, relu: bool) -> list[nn.Module]:
    return [nn.Conv2d(2, 3, 3, padding=1), *([nn.ReLU()] if relu else []), pool]


class TestChain:
    """Fused neighbours give the same bits as the layers one by one, and their gradients."""

    def compare(
        self, modules: list[nn.Module], shape: tuple[int, ...], rng: numpy.random.Generator
    ) -> None:
        values = rng.standard_normal(shape).astype(numpy.float32)
        results = []
        for fused in (True, False):
            x = libgnn.tensor(values, requires_grad=True)
            y = nn.chain(x, modules) if fused else x
            if not fused:
                for module in modules:
                    y = module(y)
            y.backward(libgnn.cos(libgnn.arange(y.numel(), dtype=y.dtype)).reshape(y.shape))
            grads = [x.grad, *(p.grad for module in modules for p in module.parameters())]
            results.append((y.detach().numpy(), [grad.numpy() for grad in grads]))
            for module in modules:
                module.zero_grad()
        assert results[0][0].tobytes() == results[1][0].tobytes()
        for fused_grad, grad in zip(results[0][1], results[1][1]):
            numpy.testing.assert_allclose(fused_grad, grad, rtol=0, atol=2e-6 * abs(grad).max())

    @pytest.mark.parametrize("relu", [True, False])
    @pytest.mark.parametrize("size", [2, 7, 8])
    def test_convolution_and_pooling(
        self, relu: bool, size: int, rng: numpy.random.Generator
    ) -> None:
        self.compare(stages(nn.MaxPool2d(2), relu), (4, 2, size, size), rng)

    @pytest.mark.parametrize(
        "pool", [nn.MaxPool2d(3), nn.MaxPool2d(2, 1), nn.MaxPool2d(2, padding=1), nn.AvgPool2d(2)]
    )
    def test_other_pooling(self, pool: nn.Module, rng: numpy.random.Generator) -> None:
        self.compare(stages(pool, True), (2, 2, 8, 8), rng)

    def test_linear_and_relu(self, rng: numpy.random.Generator) -> None:
        self.compare([nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3), nn.ReLU()], (7, 5), rng)
        self.compare([nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)], (7, 5), rng)

    def test_what_is_fused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        called = []
        for module, name in (
            (libgnn.nn.linear._core, "linear_relu"),
            (libgnn.nn.conv._core, "conv2d_pool"),
        ):
            function = getattr(module, name)

            def spy(*args: Any, name: str = name, function: Any = function) -> Any:
                called.append(name)
                return function(*args)

            monkeypatch.setattr(module, name, spy)

        def ran(*modules: nn.Module) -> list[str]:
            called.clear()
            nn.Sequential(*modules)(libgnn.zeros(1, 1, 8, 8))
            return list(called)

        class OtherReLU(nn.ReLU):
            def forward(self, input: libgnn.Tensor) -> libgnn.Tensor:
                return input * 2

        class OtherLinear(nn.Linear):
            pass

        conv, relu, pool, linear = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Linear(8, 3)
        assert ran(conv, relu, pool) == ran(conv, pool) == ["conv2d_pool"]
        assert ran(linear, relu) == ["linear_relu"]
        assert ran(conv, relu, pool, nn.Flatten(), nn.Linear(18, 3), relu) == [
            "conv2d_pool",
            "linear_relu",
        ]
        for modules in (
            [conv],
            [conv, relu],
            [conv, OtherReLU(), pool],
            [conv, nn.Tanh(), pool],
            [conv, relu, relu, pool],
            [linear],
            [linear, OtherReLU()],
            [OtherLinear(8, 3), relu],
            [relu, linear],
        ):
            assert ran(*modules) == []
        for observed in (conv, relu, pool):
            with observed.register_forward_hook(lambda module, args, output: None):
                assert ran(conv, relu, pool) == []
        with relu.register_forward_pre_hook(lambda module, args: None):
            assert ran(linear, relu) == []
        linear.forward = lambda input: libgnn.zeros(1)
        assert ran(linear, relu) == []

    def test_hooks_see_each_layer_of_a_chain(self) -> None:
        seen = []
        conv = nn.Conv2d(1, 2, 3)
        conv.register_forward_hook(lambda module, args, output: seen.append(output.shape))
        assert conv.pooled(libgnn.zeros(1, 1, 8, 8), relu=True).shape == (1, 2, 3, 3)
        linear = nn.Linear(2, 3)
        linear.register_forward_hook(lambda module, args, output: seen.append(output.shape))
        linear.with_relu(libgnn.zeros(1, 2))
        assert seen == [(1, 2, 6, 6), (1, 3)]
