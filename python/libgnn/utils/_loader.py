"""The loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from libgnn import _core
from libgnn._core import Tensor
from libgnn._unsupported import reject_unsupported
from libgnn.utils._datasets import samples_of

__all__ = ["DataLoader"]

# What PyTorch's takes besides: the values that ask for nothing, and what to do instead.
_ELSEWHERE = {
    "sampler": ((None,), "shuffle and Subset choose the order"),
    "batch_sampler": ((None,), "batch_size and Subset choose the batches"),
    "num_workers": ((0,), "prefetch=N prepares N batches ahead, on one thread"),
    "collate_fn": ((None,), "samples are stacked; let the data set give what is to be stacked"),
    "pin_memory": ((False, True), ""),  # always where there is a CUDA device
    "timeout": ((0,), "there is none"),
    "worker_init_fn": ((None,), "there are no workers"),
    "multiprocessing_context": ((None,), "there are no workers"),
    "generator": ((None,), "seed= chooses the order"),
    "prefetch_factor": ((None, 2), "prefetch=N prepares N batches ahead"),
    "persistent_workers": ((False,), "there are no workers"),
    "pin_memory_device": (("",), "device= says where batches go"),
}


class DataLoader:
    """Cuts a data set into batches; every loop over it is an epoch.

    A batch is a pair (inputs, labels) of Tensors [size, ...] on `device`, which stay valid when the
    loop has moved on. There is one loop at a time, and one thread.

    Args:
        dataset: a Dataset, or any sequence of pairs (input, label).
        batch_size: samples in a batch; the last one of an epoch may have less.
        shuffle: a new order every epoch, which depends on `seed` and the epoch's number alone.
        seed: of the order.
        drop_last: leaves out the last batch of an epoch when it is smaller than the others.
        device: where the batches are to be.
        prefetch: batches that a thread prepares ahead; 0: they are prepared when asked for.
        keep_on_device: on CUDA, a whole ImageDataset is kept in device memory, where batches are
            gathered and normalised without the host.

    Raises:
        ValueError: for a batch_size below 1, a prefetch that is negative, an argument that PyTorch
            has and libgnn lacks, and, from a loop, samples whose shape is not that of dataset[0].
        TypeError: for a data set whose samples are not pairs, and, from a loop, samples whose dtype
            is not that of dataset[0]. What the data set raises comes out of the loop as it is.
        Error: when another thread is using the loader.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        seed: int = 0,
        drop_last: bool = False,
        device: _core.device | str = "cpu",
        prefetch: int = 2,
        keep_on_device: bool = True,
        **elsewhere: Any,
    ) -> None:
        reject_unsupported("DataLoader", elsewhere, _ELSEWHERE)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self._native = _core.Loader(
            samples_of(dataset),
            batch_size,
            shuffle,
            seed,
            drop_last,
            device,
            prefetch,
            keep_on_device,
        )

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._native)

    @property
    def device(self) -> _core.device:
        """Where the batches are."""
        return self._native.device

    @property
    def samples(self) -> int:
        """Samples of an epoch: all of the data set, unless drop_last leaves some out."""
        return self._native.samples

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Starts the next epoch."""
        return self._native.begin()

    def set_epoch(self, epoch: int) -> None:
        """Goes on with another epoch: the next loop's order is that of the epoch of this number.

        Epochs count from 0. Raises ValueError for a negative one.
        """
        self._native.set_next_epoch(epoch)
