"""Layers, losses and the base of all models: what ``torch.nn`` is in PyTorch."""

from __future__ import annotations

from libgnn.nn import functional, init, utils
from libgnn.nn.activation import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from libgnn.nn.chain import chain
from libgnn.nn.container import ModuleDict, ModuleList, Sequential
from libgnn.nn.conv import Conv2d
from libgnn.nn.dropout import Dropout
from libgnn.nn.flatten import Flatten
from libgnn.nn.linear import Identity, Linear
from libgnn.nn.loss import CrossEntropyLoss, L1Loss, MSELoss
from libgnn.nn.module import Module
from libgnn.nn.parameter import Parameter
from libgnn.nn.pooling import AvgPool2d, MaxPool2d

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "ELU",
    "Flatten",
    "GELU",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "chain",
    "functional",
    "init",
    "utils",
]
