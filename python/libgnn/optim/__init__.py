"""Optimizers, with PyTorch's signatures; `libgnn.optim.lr_scheduler` has the schedules.

>>> import libgnn
>>> w = libgnn.tensor([1.0], requires_grad=True)
>>> optimizer = libgnn.optim.SGD([w], lr=0.5)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w.tolist()
[0.0]
"""

from __future__ import annotations

from libgnn.optim import lr_scheduler
from libgnn.optim.adam import Adam, AdamW
from libgnn.optim.optimizer import Optimizer, ParamGroup
from libgnn.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "ParamGroup", "lr_scheduler"]
