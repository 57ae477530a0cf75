"""nn.Module: what is registered, found, converted, saved and copied."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy
import pytest

import libgnn
from libgnn import nn


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.register_buffer("count", libgnn.zeros(2))
        self.register_buffer("scratch", libgnn.ones(1), persistent=False)
        self.scale = nn.Parameter(libgnn.ones(2))

    def forward(self, x: libgnn.Tensor) -> libgnn.Tensor:
        return self.fc(x) * self.scale


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Block()
        self.layers = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
        self.again = self.layers[0]  # shared

    def forward(self, x: libgnn.Tensor) -> libgnn.Tensor:
        for layer in self.layers:
            x = layer(self.first(x) if layer is self.layers[0] else x)
        return x


class TestRegistration:
    def test_attributes_are_what_was_assigned(self) -> None:
        block = Block()
        assert isinstance(block.scale, nn.Parameter)
        assert block.count.tolist() == [0, 0]
        assert [name for name, _ in block.named_parameters()] == ["scale", "fc.weight", "fc.bias"]
        assert {"fc", "count", "scale", "forward"} <= set(dir(block))
        with pytest.raises(AttributeError, match="'Block' object has no attribute 'nothing'"):
            block.nothing

    def test_reassignment_keeps_place_and_kind(self) -> None:
        block = Block()
        new = nn.Parameter(libgnn.zeros(2))
        block.scale = new
        assert block.get_parameter("scale") is new
        block.count = libgnn.ones(2)
        assert block.get_buffer("count").tolist() == [1, 1]
        block.scale = None
        assert block.scale is None
        assert "scale" not in block.state_dict()
        with pytest.raises(TypeError, match="cannot assign 'Tensor' as parameter 'scale'"):
            block.scale = libgnn.ones(2)
        with pytest.raises(TypeError, match="cannot assign 'int' as buffer 'count'"):
            block.count = 3
        with pytest.raises(TypeError, match="cannot assign 'int' as module 'fc'"):
            block.fc = 3

    def test_a_name_changes_its_kind(self) -> None:
        block = Block()
        block.extra = 3
        block.extra = nn.ReLU()
        assert [name for name, _ in block.named_children()] == ["fc", "extra"]
        block.extra = nn.Parameter(libgnn.ones(1))
        assert [name for name, _ in block.named_children()] == ["fc"]
        assert "extra" in block.state_dict()
        block.scratch = nn.Parameter(libgnn.ones(1))  # was not persistent
        assert "scratch" in block.state_dict()

    def test_deletion(self) -> None:
        block = Block()
        del block.scale, block.count, block.fc
        assert list(block.state_dict()) == []
        assert repr(block) == "Block()"
        block.plain = 1
        del block.plain
        for name in ("plain", "scale"):
            with pytest.raises(AttributeError):
                delattr(block, name)

    def test_super_init_comes_first(self) -> None:
        class Early(nn.Module):
            def __init__(self, value: Any) -> None:
                self.value = value

        for value in (nn.ReLU(), nn.Parameter(libgnn.ones(1))):
            with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) first"):
                Early(value)
        early = Early(3)  # a plain attribute is just that
        with pytest.raises(AttributeError, match=r"Module.__init__\(\) was not called"):
            early(1)

    def test_names(self) -> None:
        block = Block()
        for register, value in (
            (block.register_parameter, nn.Parameter(libgnn.ones(1))),
            (block.register_buffer, libgnn.ones(1)),
            (block.add_module, nn.ReLU()),
        ):
            for name in ("", "a.b", "forward", "training"):
                with pytest.raises(KeyError):
                    register(name, value)
            with pytest.raises(TypeError, match="name should be a string"):
                register(3, value)
            with pytest.raises(TypeError):
                register("new", 3)
        with pytest.raises(KeyError, match="attribute 'fc' already exists"):
            block.register_buffer("fc", libgnn.ones(1))
        assert not hasattr(block, "new")

    def test_a_module_does_not_contain_itself(self) -> None:
        net = Net()
        with pytest.raises(ValueError, match="contains its parent"):
            net.me = net
        with pytest.raises(ValueError, match="contains its parent"):
            net.first.add_module("up", net)
        assert "up" not in dict(net.first.named_children())


class TestParts:
    def test_paths_and_sharing(self) -> None:
        net = Net()
        assert [name for name, _ in net.named_modules()] == [
            "",
            "first",
            "first.fc",
            "layers",
            "layers.0",
            "layers.1",
        ]
        names = [name for name, _ in net.named_parameters()]
        assert names == [
            "first.scale",
            "first.fc.weight",
            "first.fc.bias",
            "layers.0.weight",
            "layers.0.bias",
        ]
        assert len(list(net.parameters())) == 5
        every = [name for name, _ in net.named_parameters(remove_duplicate=False)]
        assert every == [*names, "again.weight", "again.bias"]
        assert [name for name, _ in net.named_buffers("net")] == [
            "net.first.count",
            "net.first.scratch",
        ]
        assert list(net.parameters(recurse=False)) == []

    def test_one_tensor_under_two_handles_comes_once(self) -> None:
        block = nn.Module()
        block.a = nn.Parameter(libgnn.ones(1))
        block.register_buffer("b", libgnn.ones(2))
        block.register_buffer("c", block.b)
        assert [name for name, _ in block.named_buffers()] == ["b"]
        assert list(block.state_dict()) == ["a", "b", "c"]

    def test_paths_lead_back(self) -> None:
        net = Net()
        assert net.get_submodule("") is net
        assert net.get_submodule("layers.1") is net.layers[1]
        assert net.get_parameter("first.fc.bias") is net.first.fc.bias
        assert net.get_buffer("first.count") is net.first.count
        for get, path in (
            (net.get_submodule, "layers.2"),
            (net.get_submodule, "first.count"),
            (net.get_parameter, "first.count"),
            (net.get_parameter, "first.nothing"),
            (net.get_buffer, "first.scale"),
        ):
            with pytest.raises(AttributeError):
                get(path)

    def test_apply_visits_children_first(self) -> None:
        visited = []
        net = Net()
        assert net.apply(visited.append) is net
        assert [type(module).__name__ for module in visited] == [
            "Linear", "Block", "Linear", "ReLU", "ModuleList", "Linear", "Net",
        ]  # fmt: skip


class TestModes:
    def test_train_and_eval_reach_all(self) -> None:
        net = Net()
        assert net.training and net.eval() is net
        assert not any(module.training for module in net.modules())
        net.first.train()
        assert net.first.fc.training and not net.training
        with pytest.raises(ValueError, match="boolean"):
            net.train(1)

    def test_gradients(self) -> None:
        net = Net()
        net.first.fc.requires_grad_(False)
        net(libgnn.ones(4, 3)).sum().backward()
        assert net.first.fc.weight.grad is None
        assert net.first.scale.grad is not None
        net.zero_grad(set_to_none=False)
        assert net.first.scale.grad.tolist() == [0, 0]
        net.zero_grad()
        assert all(parameter.grad is None for parameter in net.parameters())


class TestConversion:
    def test_parameters_stay_the_same_objects(self) -> None:
        net = Net()
        net.register_buffer("steps", libgnn.zeros(1, dtype=libgnn.int64))
        before = dict(net.named_parameters())
        handle = net.first.scale.detach
        net(libgnn.ones(4, 3)).sum().backward()
        grads = {name: parameter.grad.tolist() for name, parameter in before.items()}
        assert net.double() is net
        for name, parameter in net.named_parameters():
            assert parameter is before[name] and isinstance(parameter, nn.Parameter)
            assert parameter.dtype == libgnn.float64 and parameter.requires_grad
            assert parameter.grad.dtype == libgnn.float64
            assert parameter.grad.tolist() == grads[name]
        assert handle().dtype == libgnn.float64
        assert net.first.count.dtype == libgnn.float64
        assert net.steps.dtype == libgnn.int64  # not floating
        assert net(libgnn.ones(1, 3, dtype=libgnn.float64)).dtype == libgnn.float64
        assert net.float().first.scale.dtype == libgnn.float32

    def test_forms_of_to(self) -> None:
        double = libgnn.zeros(1, dtype=libgnn.float64)
        for args, kwargs in (
            ((libgnn.float64,), {}),
            (("cpu", libgnn.float64), {}),
            ((), {"dtype": libgnn.float64}),
            ((double,), {}),
            ((libgnn.device("cpu"),), {"dtype": libgnn.float64}),
            ((), {"tensor": double}),
        ):
            assert nn.Linear(2, 2).to(*args, **kwargs).weight.dtype == libgnn.float64
        layer = nn.Linear(2, 2)
        assert layer.to() is layer and layer.cpu() is layer
        with pytest.raises(libgnn.DTypeError, match="floating"):
            layer.to(libgnn.int64)
        with pytest.raises(TypeError, match="expected a device, a dtype or a tensor, got float"):
            layer.to(3.5)
        assert layer.weight.dtype == libgnn.float32

    def test_a_device_that_is_not_there(self) -> None:
        beyond = libgnn.cuda.device_count()
        layer = nn.Linear(2, 2)
        moves = [lambda: layer.cuda(beyond), lambda: layer.to(f"cuda:{beyond}")]
        if beyond == 0:
            moves += [layer.cuda, lambda: layer.to("cuda")]
        for move in moves:
            with pytest.raises(libgnn.DeviceError):
                move()
        assert str(layer.weight.device) == "cpu"


class TestState:
    def test_names_and_order(self) -> None:
        assert list(Net().state_dict()) == [
            "first.scale",
            "first.count",
            "first.fc.weight",
            "first.fc.bias",
            "layers.0.weight",
            "layers.0.bias",
            "again.weight",
            "again.bias",
        ]
        assert list(nn.Linear(1, 1).state_dict(prefix="a.")) == ["a.weight", "a.bias"]

    def test_tensors_share_memory_and_have_no_history(self) -> None:
        layer = nn.Linear(2, 2)
        weight = layer.state_dict()["weight"]
        assert not weight.requires_grad and type(weight) is libgnn.Tensor
        weight.fill_(7)
        assert layer.weight.tolist() == [[7, 7], [7, 7]]
        assert layer.state_dict(keep_vars=True)["weight"] is layer.weight

    def test_round_trip(self) -> None:
        source, target = Net(), Net()
        result = target.load_state_dict(source.state_dict())
        assert str(result) == "<All keys matched successfully>"
        assert result == ([], [])
        for name, tensor in target.state_dict().items():
            assert tensor.tolist() == source.state_dict()[name].tolist()
        target.load_state_dict(target.state_dict())  # onto itself
        assert target.first.fc.weight.tolist() == source.first.fc.weight.tolist()

    def test_values_are_converted(self) -> None:
        layer = nn.Linear(2, 1)
        values = {"weight": numpy.array([[1.5, 2]]), "bias": libgnn.ones(1, dtype=libgnn.float64)}
        layer.load_state_dict(values)
        assert layer.weight.tolist() == [[1.5, 2]]
        assert layer.weight.dtype == libgnn.float32 and layer.weight.requires_grad

    def test_all_that_does_not_fit_is_listed_and_nothing_changed(self) -> None:
        layer = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
        before = {name: tensor.tolist() for name, tensor in layer.state_dict().items()}
        state = {
            "0.weight": libgnn.zeros(1, 2),
            "0.bias": libgnn.zeros(2),
            "1.weight": 3,
            "other": libgnn.zeros(1),
        }
        with pytest.raises(libgnn.Error) as caught:
            layer.load_state_dict(state)
        assert str(caught.value) == (
            "Error(s) in loading state_dict for Sequential:\n"
            '\tMissing key(s) in state_dict: "1.bias". \n'
            '\tUnexpected key(s) in state_dict: "other". \n'
            "\tsize mismatch for 0.bias: copying a param with shape [2] from checkpoint, the shape "
            "in current model is [1].\n"
            '\tWhile copying the parameter named "1.weight", expected a Tensor or a tensor-like '
            "object from checkpoint but received <class 'int'>"
        )
        with pytest.raises(RuntimeError):
            layer.load_state_dict(state, strict=False)
        assert {name: tensor.tolist() for name, tensor in layer.state_dict().items()} == before
        with pytest.raises(TypeError, match="dict-like"):
            layer.load_state_dict(5)

    def test_not_strict(self) -> None:
        layer = nn.Linear(2, 1)
        result = layer.load_state_dict({"bias": libgnn.ones(1), "x": libgnn.ones(1)}, strict=False)
        assert result.missing_keys == ["weight"] and result.unexpected_keys == ["x"]
        assert "IncompatibleKeys(missing_keys=['weight']" in repr(result)
        assert layer.bias.tolist() == [1]

    def test_against_torch(self, torch: Any) -> None:
        def build(lib: Any) -> Any:
            class Model(lib.nn.Module):
                def __init__(self) -> None:
                    super().__init__()
                    self.register_buffer("mean", lib.zeros(3))
                    self.body = lib.nn.Sequential(lib.nn.Conv2d(1, 2, 3), lib.nn.ReLU())
                    self.gain = lib.nn.Parameter(lib.ones(1))
                    self.heads = lib.nn.ModuleDict({"a": lib.nn.Linear(2, 2, bias=False)})
                    self.tied = self.heads["a"]
                    self.register_buffer("temporary", lib.ones(1), persistent=False)
                    self.register_parameter("absent", None)

            return Model()

        ours, theirs = build(libgnn), build(torch)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for listing in ("named_parameters", "named_buffers", "named_modules", "named_children"):
            names = [name for name, _ in getattr(ours, listing)()]
            assert names == [name for name, _ in getattr(theirs, listing)()], listing
        assert repr(ours) == repr(theirs)
        ours.load_state_dict(theirs.state_dict())
        for name, tensor in theirs.state_dict().items():
            assert ours.state_dict()[name].tolist() == tensor.tolist()


class TestCopies:
    def test_deepcopy_is_independent_and_pickling_is_refused(self) -> None:
        net = Net()
        net(libgnn.ones(1, 3)).sum().backward()
        other = copy.deepcopy(net)
        assert repr(other) == repr(net)
        assert other.again is other.layers[0]
        assert isinstance(other.first.scale, nn.Parameter)
        for ours, theirs in zip(net.parameters(), other.parameters()):
            assert ours is not theirs and ours.tolist() == theirs.tolist()
            assert theirs.grad is None and theirs.requires_grad
        with libgnn.no_grad():
            other.first.scale.fill_(9)
        assert net.first.scale.tolist() == [1, 1]
        other.load_state_dict(net.state_dict())
        with pytest.raises(TypeError, match="libgnn.save"):
            pickle.dumps(net)
        assert repr(pickle.loads(pickle.dumps(nn.Sequential(nn.ReLU())))) == repr(
            nn.Sequential(nn.ReLU())
        )
