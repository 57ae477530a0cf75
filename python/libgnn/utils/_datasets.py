"""Data sets of any kind."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from libgnn import _core
from libgnn._core import IndexOutOfRangeError, InvalidValueError, Tensor

__all__ = ["Dataset", "Subset", "TensorDataset", "random_split", "samples_of"]

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """A source of samples: derive from it, and define `__len__` and `__getitem__`.

    `dataset[i]` is a pair (input, label), each a number, a NumPy array, a Tensor or nested lists, of
    the same shape and dtype for every i. Python's floats become float32, its ints int64. A
    DataLoader with prefetch > 0 calls `__getitem__` on a thread of its own, never twice at a time.

    >>> import libgnn
    >>> class Squares(libgnn.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return float(index), index * index
    >>> next(iter(libgnn.utils.data.DataLoader(Squares(), batch_size=3)))
    (tensor([0., 1., 2.]), tensor([0, 1, 4]))
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__()")

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__()")

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self)):
            yield self[index]

    def _samples(self) -> _core.Dataset:
        """What a loader takes the samples from."""
        return _core.python_dataset(self)

    def _chosen(self, indices: Sequence[int]) -> _core.Dataset:
        """The same of those samples."""
        return _core.python_dataset(_Chosen(self, indices))


class _Chosen:
    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self._dataset = dataset
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Any:
        return self._dataset[self._indices[index]]


def samples_of(dataset: Any) -> _core.Dataset:
    """What a loader takes the samples of `dataset`, a Dataset or any sequence, from.

    Raises:
        TypeError: for what has no len() or no items, and when dataset[0] is not a pair.
    """
    if isinstance(dataset, Dataset):
        return dataset._samples()
    for method in ("__len__", "__getitem__"):
        if not hasattr(dataset, method):
            raise TypeError(f"expected a data set, got {type(dataset).__name__}: it has no {method}")
    return _core.python_dataset(dataset)


def at(length: int, index: int) -> int:
    """`index` as one from 0 on; negative ones count from the end. Raises IndexError."""
    number = operator.index(index)
    if not -length <= number < length:
        raise IndexOutOfRangeError(f"index {number} is outside of the {length} samples")
    return number % length


class TensorDataset(Dataset[tuple[Tensor, Tensor]]):
    """Inputs and labels, whole in CPU memory: sample i is inputs[i] with labels[i].

    Args:
        inputs: [N, ...], of any dtype.
        labels: [N, ...], of any dtype.

    Raises:
        ValueError: when the numbers of samples differ, and for scalars.
        DeviceError: for tensors that are not on the CPU.
        TypeError: for any other number of tensors.
    """

    def __init__(self, *tensors: Tensor) -> None:
        if len(tensors) != 2 or not all(isinstance(tensor, Tensor) for tensor in tensors):
            got = ", ".join(type(tensor).__name__ for tensor in tensors)
            raise TypeError(f"TensorDataset: expected two Tensors, inputs and labels, got ({got})")
        self.tensors = (tensors[0], tensors[1])
        self._data = _core.tensor_dataset(*self.tensors)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        number = at(len(self), index)
        return self.tensors[0][number], self.tensors[1][number]

    def _samples(self) -> _core.Dataset:
        return self._data

    def _chosen(self, indices: Sequence[int]) -> _core.Dataset:
        return _core.tensor_dataset(*_core.subset(*self.tensors, indices))


class Subset(Dataset[Sample]):
    """Some samples of a data set: sample i is dataset[indices[i]].

    A loader takes a copy of the samples of a TensorDataset or ImageDataset.

    Raises:
        IndexError: for an index that the data set does not have.
    """

    def __init__(self, dataset: Dataset[Sample], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = [at(len(dataset), index) for index in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[at(len(self), index)]]

    def _samples(self) -> _core.Dataset:
        if isinstance(self.dataset, Dataset):
            return self.dataset._chosen(self.indices)
        return _core.python_dataset(self)

    def _chosen(self, indices: Sequence[int]) -> _core.Dataset:
        return Subset(self.dataset, [self.indices[index] for index in indices])._samples()


def random_split(
    dataset: Dataset[Sample], lengths: Sequence[float], *, seed: int = 0
) -> list[Subset[Sample]]:
    """Splits a data set at random into parts that have no sample in common.

    >>> import libgnn
    >>> data = libgnn.utils.data.TensorDataset(libgnn.zeros(10, 1), libgnn.zeros(10))
    >>> [len(part) for part in libgnn.utils.data.random_split(data, [0.75, 0.25])]
    [8, 2]

    Args:
        dataset: to split.
        lengths: numbers of samples whose sum is len(dataset), or fractions whose sum is 1; what
            rounding leaves goes to the first parts, one sample each.
        seed: the same seed gives the same parts.

    Raises:
        ValueError: for lengths that do not add up.
    """
    total = len(dataset)
    counts = list(lengths)
    if any(isinstance(count, float) for count in counts):
        if abs(sum(counts) - 1) > 1e-6 or any(not 0 <= count <= 1 for count in counts):
            raise InvalidValueError(
                f"random_split: expected fractions whose sum is 1, got {list(lengths)}"
            )
        counts = [int(total * count) for count in counts]
        for part in range(total - int(sum(counts))):
            counts[part % len(counts)] += 1
    numbers = [operator.index(count) for count in counts]  # type: ignore[arg-type]
    if sum(numbers) != total or any(number < 0 for number in numbers):
        raise InvalidValueError(
            f"random_split: expected lengths whose sum is {total}, got {list(lengths)}"
        )
    order = _core.permutation(total, seed, 0)
    ends = [sum(numbers[: part + 1]) for part in range(len(numbers))]
    return [Subset(dataset, order[end - number : end]) for end, number in zip(ends, numbers)]
