"""Data sets for tests: Python's, and files in MNIST's form."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy

from libgnn.utils.data import DataLoader, Dataset


class Numbers(Dataset[Any]):
    """Sample i is ([i, i + 0.5], 10 * i); whatever is asked for is noted."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.asked: list[int] = []
        self.threads: set[int] = set()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        self.threads.add(threading.get_ident())
        return numpy.array([index, index + 0.5], numpy.float32), 10 * index


class Given(Dataset[Any]):
    """The samples that are given."""

    def __init__(self, *samples: Any) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        return self.samples[index]


def labels_of(loader: DataLoader) -> list[list[Any]]:
    return [labels.tolist() for _, labels in loader]


class Unlucky(Exception):
    """An exception of the user's own."""


class Failing(Numbers):
    def __getitem__(self, index: int) -> Any:
        if index == 5:
            raise Unlucky(f"sample {index}")
        return super().__getitem__(index)


def write_idx(path: Path, array: numpy.ndarray) -> None:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(numpy.uint8).tobytes())
