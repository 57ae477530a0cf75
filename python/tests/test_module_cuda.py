"""Modules on a CUDA device: a GPU, or the emulated one."""

from __future__ import annotations

import copy

import numpy

import libgnn
from libgnn import models, nn


def test_a_module_goes_to_the_device_and_back(device: str) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    model.register_buffer("mean", libgnn.ones(3))
    before = dict(model.named_parameters())
    values = {name: parameter.tolist() for name, parameter in before.items()}
    model(libgnn.ones(4, 3)).sum().backward()
    gradient = model[2].bias.grad.tolist()
    for move in (model.cuda, lambda: model.cuda(0), lambda: model.to(device)):
        assert move() is model
        assert {str(p.device) for p in [*model.parameters(), *model.buffers()]} == {device}
    assert all(parameter is before[name] for name, parameter in model.named_parameters())
    assert {name: p.tolist() for name, p in model.named_parameters()} == values
    assert str(model[2].bias.grad.device) == device
    assert model[2].bias.grad.tolist() == gradient
    assert str(model(libgnn.ones(4, 3, device=device)).device) == device
    assert {str(parameter.device) for parameter in model.cpu().parameters()} == {"cpu"}


def test_layers_are_made_on_the_device_with_the_weights_of_the_seed(device: str) -> None:
    for layer, sizes in ((nn.Linear, (5, 4)), (nn.Conv2d, (2, 3, 3))):
        libgnn.manual_seed(4)
        here = layer(*sizes)
        libgnn.manual_seed(4)
        there = layer(*sizes, device=device)
        assert str(there.weight.device) == str(there.bias.device) == device
        assert there.weight.tolist() == here.weight.tolist()
        assert there.bias.tolist() == here.bias.tolist()
    for fill in (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_normal_):
        libgnn.manual_seed(4)
        values = fill(libgnn.empty(3, 3)).numpy()
        libgnn.manual_seed(4)
        got = fill(libgnn.empty(3, 3, device=device)).cpu().numpy()
        # The same random bits; logarithm and cosine may round differently.
        numpy.testing.assert_allclose(got, values, rtol=1e-5, atol=1e-6)


def test_states_load_across_devices(device: str) -> None:
    source, target = nn.Linear(3, 2).to(device), nn.Linear(3, 2)
    target.load_state_dict(source.state_dict())
    assert target.weight.tolist() == source.weight.tolist()
    assert str(target.weight.device) == "cpu"
    source.load_state_dict({"weight": libgnn.ones(2, 3), "bias": numpy.zeros(2)})
    assert source.weight.tolist() == [[1] * 3] * 2 and str(source.bias.device) == device
    assert str(copy.deepcopy(source).weight.device) == device


def test_lenet_learns_as_on_the_cpu(device: str, rng: numpy.random.Generator) -> None:
    here = models.LeNet()
    there = copy.deepcopy(here).to(device)
    images = libgnn.tensor(rng.random((4, 1, 28, 28), dtype=numpy.float32))
    labels = libgnn.tensor([3, 1, 4, 1])
    loss = nn.CrossEntropyLoss(weight=libgnn.ones(10))
    losses = []
    for model, place in ((here, "cpu"), (there, device)):
        loss.to(place)
        value = loss(model(images.to(place)), labels.to(place))
        value.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        losses.append((value.item(), norm.item()))
    numpy.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for expected, got in zip(here.parameters(), there.parameters()):
        scale = expected.grad.abs().max().item()
        numpy.testing.assert_allclose(
            got.grad.cpu().numpy(), expected.grad.numpy(), rtol=0, atol=1e-5 * scale
        )
    text = libgnn.summary(there, (2, 1, 28, 28))
    assert text == libgnn.summary(here, (2, 1, 28, 28))
