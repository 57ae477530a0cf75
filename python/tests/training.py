"""A model and data for tests of training."""

from __future__ import annotations

from typing import Any

import numpy

import libgnn
from libgnn import nn
from libgnn.utils.data import DataLoader, TensorDataset


def points(count: int, seed: int, flipped: bool = False) -> TensorDataset:
    """Points on the plane, their class whether x > y; `flipped`: whether not."""
    values = numpy.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(numpy.float32)
    labels = (values[:, 0] > values[:, 1]) != flipped
    return TensorDataset(libgnn.tensor(values), libgnn.tensor(labels.astype(numpy.int64)))


def loader(count: int = 200, batch_size: int = 16, seed: int = 1, flipped: bool = False) -> Any:
    return DataLoader(points(count, seed, flipped), batch_size, shuffle=True, seed=3)


class Net(nn.Module):
    """A model with dropout and a buffer, whose parameters are in children."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, 8)
        self.dropout = nn.Dropout(0.2)
        self.fc2 = nn.Linear(8, 2)
        self.register_buffer("scale", libgnn.tensor([2.0]))
        self.modes: list[bool] = []

    def forward(self, x: libgnn.Tensor) -> libgnn.Tensor:
        self.modes.append(self.training)
        return self.fc2(self.dropout(libgnn.relu(self.fc1(x) * self.scale)))


def net(seed: int = 1) -> Net:
    libgnn.manual_seed(seed)
    return Net()
