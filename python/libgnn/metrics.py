"""How good predictions are.

>>> import libgnn
>>> logits = libgnn.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
>>> labels = libgnn.tensor([0, 1, 1])
>>> print(f"{libgnn.metrics.accuracy(logits, labels):.3f}")
0.667
>>> matrix = libgnn.metrics.ConfusionMatrix(2, ["cat", "dog"])
>>> matrix.add(logits, labels)
>>> matrix.counts().tolist()
[[1, 0], [1, 1]]
"""

from __future__ import annotations

from libgnn._core import ConfusionMatrix, accuracy, predicted_classes

__all__ = ["ConfusionMatrix", "accuracy", "predicted_classes"]
