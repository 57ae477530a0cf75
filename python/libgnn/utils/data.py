"""Data sets, and the loader that cuts them into batches.

>>> import libgnn
>>> from libgnn.utils.data import DataLoader, TensorDataset
>>> data = TensorDataset(libgnn.arange(6.0).reshape(3, 2), libgnn.tensor([0, 1, 0]))
>>> for inputs, labels in DataLoader(data, batch_size=2):
...     print(inputs.tolist(), labels.tolist())
[[0.0, 1.0], [2.0, 3.0]] [0, 1]
[[4.0, 5.0]] [0]
"""

from __future__ import annotations

from libgnn.utils._datasets import (
    Dataset,
    Subset,
    TensorDataset,
    random_split,
)
from libgnn.utils._images import MNIST, FashionMNIST, ImageDataset, load_csv
from libgnn.utils._loader import DataLoader

__all__ = [
    "MNIST",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "ImageDataset",
    "Subset",
    "TensorDataset",
    "load_csv",
    "random_split",
]
