"""libgnn.metrics."""

from __future__ import annotations

import gc

import pytest

import libgnn


def test_confusion_matrices() -> None:
    matrix = libgnn.metrics.ConfusionMatrix(3, ["a", "b", "c"])
    logits = libgnn.tensor([[1.0, 0, 0], [0, 1, 0], [float("nan"), 0, 0]])
    matrix.add(logits, libgnn.tensor([0, 0, 2]))
    matrix.add(2, 1)
    assert matrix.counts().tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert (matrix.total, matrix.correct, matrix.accuracy) == (4, 1, 0.25)
    assert (matrix.recall(0), matrix.precision(1)) == (0.5, 0.0)
    counts = matrix.counts()
    del matrix
    gc.collect()
    assert counts.sum() == 3
    for make, error in [
        (lambda: libgnn.metrics.ConfusionMatrix(0), ValueError),
        (lambda: libgnn.metrics.ConfusionMatrix(2, ["a"]), ValueError),
        (lambda: libgnn.metrics.ConfusionMatrix(2).add(2, 0), IndexError),
        (lambda: libgnn.metrics.accuracy(libgnn.zeros(2), libgnn.tensor([0, 1])), ValueError),
        (lambda: libgnn.metrics.accuracy(libgnn.zeros(1, 2), libgnn.tensor([2])), IndexError),
        (lambda: libgnn.metrics.accuracy(libgnn.zeros(1, 2), libgnn.zeros(1)), TypeError),
    ]:
        with pytest.raises(error):
            make()
