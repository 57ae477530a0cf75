"""Labelled images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Union

from libgnn import _core
from libgnn._core import Tensor
from libgnn.utils._datasets import Dataset, at

__all__ = ["MNIST", "FashionMNIST", "ImageDataset", "Path", "load_csv"]

Path = Union[str, "os.PathLike[str]"]


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Labelled images, whole in CPU memory.

    Sample i is a pair: the image as float32 [C, H, W], (pixel / 255 - mean) / std, and its label.

    Args:
        images: uint8 [N, C, H, W], a Tensor or NumPy array.
        labels: int64 [N], a Tensor or NumPy array.
        name: for people.
        class_names: one for each class; by default none, and any label is taken.
        mean, std: of the pixels, scaled to [0, 1]; by default those of these images. For test data
            give those of the training data: nothing is to be learnt from test images.

    Raises:
        ValueError: for shapes that do not fit, or a std that is not positive.
        TypeError: for other dtypes.
        IndexError: for a label without a class.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        *,
        name: str = "images",
        class_names: Sequence[str] = (),
        mean: float | None = None,
        std: float | None = None,
    ) -> None:
        pixels = _core.as_tensor(images)
        if mean is None or std is None:
            found = _core.pixel_statistics(pixels)
            mean = found[0] if mean is None else mean
            std = found[1] if std is None else std
        self._set(
            _core.ImageDataset(
                name, pixels, _core.as_tensor(labels), list(class_names), mean, std
            )
        )

    def _set(self, data: _core.ImageDataset) -> None:
        self._data = data
        self._source = data.samples()

    @classmethod
    def _of(
        cls,
        data: _core.ImageDataset,
        name: str | None = None,
        mean: float | None = None,
        std: float | None = None,
    ) -> ImageDataset:
        """The data set in memory, with another name, mean or std where they are given."""
        dataset = ImageDataset.__new__(ImageDataset)
        dataset._set(
            _core.ImageDataset(
                data.name if name is None else name,
                data.images,
                data.labels,
                data.class_names,
                data.mean if mean is None else mean,
                data.std if std is None else std,
            )
        )
        return dataset

    @property
    def name(self) -> str:
        """For people: 'MNIST', 'Fashion-MNIST', a file's name."""
        return self._data.name

    @property
    def images(self) -> Tensor:
        """uint8 [N, C, H, W]."""
        return self._data.images

    @property
    def labels(self) -> Tensor:
        """int64 [N]."""
        return self._data.labels

    @property
    def class_names(self) -> list[str]:
        """One for each class."""
        return self._data.class_names

    @property
    def mean(self) -> float:
        """Of the pixels, scaled to [0, 1]; loaders take it off them."""
        return self._data.mean

    @property
    def std(self) -> float:
        """Of the pixels, scaled to [0, 1]; loaders divide by it."""
        return self._data.std

    def normalized_as(self, other: ImageDataset) -> ImageDataset:
        """The same images with the mean and std of `other`: test data with those of training data."""
        return self._of(self._data, mean=other.mean, std=other.std)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self._source.sample(at(len(self), index))
        return image, int(label.item())

    def _samples(self) -> _core.Dataset:
        return self._source

    def _chosen(self, indices: Sequence[int]) -> _core.Dataset:
        return self._data.subset(indices).samples()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, {len(self)} images)"


class MNIST(ImageDataset):
    """MNIST: 60,000 training and 10,000 test images of digits, grey, 28 x 28.

    Args:
        root: the folder with its four files, plain or with .gz; by default $GNN_DATA_DIR/mnist,
            else the cache folder ~/.cache/libgnn/mnist.
        train: the training images, else the test images. `mean` and `std` of both are those of the
            training images.
        download: get the files (12 MB) where they are not there; their SHA-256 is checked.
            $GNN_MNIST_MIRRORS lists other places to get them from.

    Raises:
        DataError: for files that are missing or damaged, naming them, and when no mirror has them.
    """

    def __init__(self, root: Path | None = None, train: bool = True, *, download: bool = False) -> None:
        if download:
            from libgnn.utils._download import download_mnist  # the modules of HTTP take their time

            root = download_mnist(root)
        self._set(_core.load_mnist("" if root is None else root)[0 if train else 1])


class FashionMNIST(ImageDataset):
    """Fashion-MNIST: ten kinds of clothing in MNIST's form.

    Arguments and errors are those of `MNIST`, without download; the folder is called
    fashion-mnist. On Debian the package dataset-fashion-mnist has it.
    """

    def __init__(self, root: Path | None = None, train: bool = True) -> None:
        self._set(_core.load_fashion_mnist("" if root is None else root)[0 if train else 1])


def load_csv(
    path: Path, *, channels: int = 1, height: int = 28, width: int = 28, classes: int = 10
) -> ImageDataset:
    """Reads labelled images from a CSV file, plain or gzip.

    One image per line, `label,p0,p1,...`, all whole numbers, labels 0 ... classes - 1, pixels
    0 ... 255 in row-major order (channel by channel). The first line may be a header. `mean` and
    `std` are those of its pixels; see `ImageDataset.normalized_as` for test data.

    Raises:
        DataError: naming the file, the line, the field and what to do.
        ValueError: for sizes below 1.
    """
    return ImageDataset._of(_core.load_csv(path, channels, height, width, classes))
