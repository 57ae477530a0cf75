"""Calling a module: hooks, errors; and what a Parameter is."""

from __future__ import annotations

import copy

import pytest

import libgnn
from libgnn import nn


class TestCalls:
    def test_hooks_see_and_change(self) -> None:
        layer = nn.Linear(1, 1)
        layer.load_state_dict({"weight": libgnn.ones(1, 1), "bias": libgnn.zeros(1)})
        x = libgnn.ones(1, 1)
        seen = []
        first = layer.register_forward_pre_hook(lambda module, args: (args[0] * 3,))
        second = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
        layer.register_forward_hook(lambda module, args, out: seen.append((args[0].item(), module)))
        with layer.register_forward_hook(lambda module, args, out: out * 10):
            assert layer(x).item() == 40
        assert seen == [(4, layer)]
        second.remove()
        second.remove()
        assert layer(x).item() == 3
        first.remove()
        assert layer(x).item() == 1

    def test_forward_is_needed(self) -> None:
        with pytest.raises(NotImplementedError, match='missing the required "forward"'):
            nn.Module()(3)

    def test_errors_name_the_layer(self) -> None:
        class Outer(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.stages = nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Linear(3, 2))])

            def forward(self, x: libgnn.Tensor) -> libgnn.Tensor:
                return self.stages[0](x)

        x = libgnn.zeros(1, 4)
        with pytest.raises(libgnn.ShapeError, match=r"got \[1, 4\] \[in layer stages.0.1\]$"):
            Outer()(x)
        with pytest.raises(libgnn.ShapeError, match=r"got \[1, 4\]$"):
            nn.Linear(3, 2)(x)
        fused = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
        with pytest.raises(libgnn.ShapeError, match=r"\[in layer 0\]$"):
            fused(x)
        with pytest.raises(libgnn.IndexOutOfRangeError, match=r"\[in layer 0\]$"):
            nn.Sequential(nn.Softmax(5))(x)

    def test_a_module_that_calls_itself_is_named_once(self) -> None:
        class Nested(nn.Module):
            def forward(self, x: libgnn.Tensor, depth: int) -> libgnn.Tensor:
                return self(x, depth - 1) if depth > 0 else libgnn.softmax(x, 5)

        with pytest.raises(libgnn.IndexOutOfRangeError) as caught:
            Nested()(libgnn.zeros(1), 2)
        assert "in layer" not in str(caught.value)


def test_parameter() -> None:
    data = libgnn.ones(2)
    parameter = nn.Parameter(data)
    data.fill_(3)
    assert parameter.tolist() == [3, 3]
    assert repr(parameter).startswith("Parameter containing:\n")
    counts = nn.Parameter(libgnn.ones(1, dtype=libgnn.int64), requires_grad=False)
    assert not counts.requires_grad
    with pytest.raises(libgnn.DTypeError):
        nn.Parameter(libgnn.ones(1, dtype=libgnn.int64))
    with pytest.raises(TypeError, match="expected a Tensor, got list"):
        nn.Parameter([1.0])
    frozen = copy.deepcopy(nn.Parameter(data, requires_grad=False))
    assert type(frozen) is nn.Parameter and not frozen.requires_grad
    product = nn.Parameter(libgnn.ones(1)) * 2
    assert type(product) is libgnn.Tensor and product.requires_grad
    nested = nn.Parameter(data * nn.Parameter(libgnn.ones(2)))  # of a result: a leaf
    assert nested.is_leaf


def test_repr_of_extra_lines() -> None:
    class Shown(nn.Module):
        def extra_repr(self) -> str:
            return "one\ntwo"

    outer = nn.Sequential(Shown())
    assert repr(outer) == "Sequential(\n  (0): Shown(\n    one\n    two\n  )\n)"
