"""Models: the weights of a seed, names, and logits beside PyTorch's."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy
import pytest

import libgnn
from libgnn import models, nn


def digest(model: nn.Module) -> str:
    """SHA-256 of the state_dict as gnn::sha256() (train/checkpoint.h) defines it."""
    hash = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        dtype = str(tensor.dtype).removeprefix("libgnn.")
        hash.update(f"{name} {dtype} {list(tensor.shape)}\n".encode())
        hash.update(tensor.numpy().tobytes())
    return hash.hexdigest()


# The same values are in tests/test_models.cpp.
HASHES = {
    "LeNet": "80766264184858f19fe5d80994a5309671b603cd9cd49bfc2ee9d30a23ed8772",
    "LeNet5": "f90c6c1bc11c60794cb1fcd6acc20109289ad0a98da8e2a9b0ab38cbe5d4e9f2",
    "MLP": "d3fd57c0cbca2acdf5ae79bd107d766ec26b3a70d31b85eaa16eda3048f3c6f1",
}


@pytest.mark.parametrize("name", HASHES)
def test_a_seed_gives_the_weights_that_it_gives_in_cpp(name: str) -> None:
    libgnn.manual_seed(1)
    args = ([784, 128, 10],) if name == "MLP" else ()
    assert digest(getattr(models, name)(*args)) == HASHES[name]


def test_names_and_sizes() -> None:
    lenet = models.LeNet()
    assert list(lenet.state_dict()) == [
        f"{layer}.{kind}"
        for layer in ("conv1", "conv2", "fc1", "fc2")
        for kind in ("weight", "bias")
    ]
    assert sum(p.numel() for p in lenet.parameters()) == 431_080
    assert lenet.conv1.bias.tolist() == [0.0] * 20
    assert sum(p.numel() for p in models.LeNet5().parameters()) == 61_706
    assert models.LeNet(channels=3, classes=7)(libgnn.zeros(2, 3, 28, 28)).shape == (2, 7)
    mlp = models.MLP([6, 5, 4, 3], dropout=0.5)
    assert [type(layer).__name__ for layer in mlp] == [
        "Flatten", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear",
    ]  # fmt: skip
    assert repr(mlp).startswith("MLP(\n  (0): Flatten(")
    assert [type(layer).__name__ for layer in models.MLP([2, 1], "tanh")] == ["Flatten", "Linear"]


def torch_lenet(torch: Any) -> Any:
    class LeNet(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 20, 5)
            self.conv2 = torch.nn.Conv2d(20, 50, 5)
            self.pool = torch.nn.MaxPool2d(2)
            self.fc1 = torch.nn.Linear(800, 500)
            self.fc2 = torch.nn.Linear(500, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.conv2(self.pool(self.conv1(x))))
            return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))

    return LeNet()


def torch_lenet5(torch: Any, activation: str, pooling: str) -> Any:
    act = {
        "linear": lambda x: x,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "leaky_relu": torch.nn.functional.leaky_relu,
    }[activation]
    pool = torch.nn.MaxPool2d(2) if pooling == "max" else torch.nn.AvgPool2d(2)

    class LeNet5(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 6, 5, padding=2)
            self.conv2 = torch.nn.Conv2d(6, 16, 5)
            self.fc1 = torch.nn.Linear(400, 120)
            self.fc2 = torch.nn.Linear(120, 84)
            self.fc3 = torch.nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = pool(act(self.conv2(pool(act(self.conv1(x))))))
            return self.fc3(act(self.fc2(act(self.fc1(torch.flatten(x, 1))))))

    return LeNet5()


def compare(torch: Any, ours: nn.Module, theirs: Any, rng: numpy.random.Generator) -> None:
    """Logits, and gradients in float64, of the same weights on the same images.

    In float32 rounding decides which of two nearly equal pixels max pooling takes, and so where the
    gradient goes.
    """
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    images = rng.random((8, 1, 28, 28), dtype=numpy.float32)
    labels = rng.integers(0, 10, 8)
    logits, expected = ours(libgnn.tensor(images)), theirs(torch.tensor(images))
    numpy.testing.assert_allclose(
        logits.detach().numpy(), expected.detach().numpy(), rtol=0, atol=1e-5
    )
    ours.to(libgnn.float64)
    theirs.to(torch.float64)
    images = images.astype(numpy.float64)
    logits, expected = ours(libgnn.tensor(images)), theirs(torch.tensor(images))
    nn.functional.cross_entropy(logits, libgnn.tensor(labels)).backward()
    torch.nn.functional.cross_entropy(expected, torch.tensor(labels)).backward()
    for (name, got), wanted in zip(ours.named_parameters(), theirs.parameters()):
        assert got.grad.dtype == libgnn.float64
        scale = float(wanted.grad.abs().max())
        numpy.testing.assert_allclose(
            got.grad.numpy(), wanted.grad.numpy(), rtol=0, atol=1e-12 * scale, err_msg=name
        )


def test_lenet_against_torch(torch: Any, rng: numpy.random.Generator) -> None:
    torch.manual_seed(1)
    compare(torch, models.LeNet(), torch_lenet(torch), rng)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh", "relu", "leaky_relu"])
def test_lenet5_against_torch(
    torch: Any, rng: numpy.random.Generator, activation: str, pooling: str
) -> None:
    torch.manual_seed(1)
    model = models.LeNet5(activation=activation, pooling=pooling)
    compare(torch, model, torch_lenet5(torch, activation, pooling), rng)


def test_mlp_against_torch(torch: Any, rng: numpy.random.Generator) -> None:
    torch.manual_seed(1)
    theirs = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 30), torch.nn.Sigmoid(), torch.nn.Linear(30, 10)
    )
    compare(torch, models.MLP([784, 30, 10], "sigmoid"), theirs, rng)


def test_errors() -> None:
    for build in (
        lambda: models.LeNet()(libgnn.zeros(1, 1, 32, 32)),
        lambda: models.LeNet()(libgnn.zeros(1, 3, 28, 28)),
        lambda: models.LeNet5()(libgnn.zeros(1, 28, 28)),
        lambda: models.LeNet5(activation="gelu"),
        lambda: models.LeNet5(pooling="min"),
        lambda: models.MLP([3]),
        lambda: models.MLP([3, 2], activation="gelu"),
        lambda: models.MLP([3, 2, 1], dropout=2.0),
        lambda: models.MLP([3, -2]),
    ):
        with pytest.raises(ValueError):
            build()


class TestSummary:
    def test_lenet(self) -> None:
        model = models.LeNet()
        model.fc1.eval()
        text = libgnn.summary(model, (2, 1, 28, 28))
        lines = [line.split() for line in text.splitlines()]
        assert lines[2][:5] == ["LeNet", "[2,", "10]", "80", "B"]
        names = [line[0] for line in lines[3:9]]
        assert names == ["conv1:", "pool:", "conv2:", "pool:", "fc1:", "fc2:"]  # as they run
        assert lines[3][-7:] == ["[2,", "20,", "24,", "24]", "520", "90.00", "KiB"]
        assert lines[7][-5:] == ["[2,", "500]", "400,500", "3.91", "KiB"]
        assert lines[11] == ["Parameters", "431,080", "(1.64", "MiB)"]
        assert len({len(line) for line in text.splitlines()[:9]}) == 1  # columns are aligned
        assert model.training and not model.fc1.training and model.pool.training
        assert all(not module._forward_hooks for module in model.modules())
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_counts_a_shared_parameter_once_and_takes_the_models_dtype(self) -> None:
        layer = nn.Linear(3, 3, bias=False)
        model = nn.Sequential(layer, nn.Sequential(nn.ReLU(), layer)).double()
        model.register_buffer("mean", libgnn.zeros(2))
        lines = libgnn.summary(model, (1, 3)).splitlines()
        assert [line.split(":")[0] for line in lines[3:7]] == ["  0", "  1", "    0", "    1"]
        assert [" 9 " in line for line in lines[3:7]] == [True, False, False, False]
        assert "Parameters       9 (72 B)" in lines and "Buffers          8 B" in lines
        # Twice the parameters, the buffer and the outputs of the three that have no children.
        assert lines[-1].startswith(f"Training memory  {2 * 72 + 8 + 3 * 24} B")

    def test_errors_leave_no_hooks(self) -> None:
        model = nn.Sequential(nn.Linear(3, 2))
        with pytest.raises(libgnn.ShapeError, match=r"\[in layer 0\]$"):
            libgnn.summary(model, (1, 4))
        assert model.training and not model[0]._forward_pre_hooks and not model._forward_hooks
