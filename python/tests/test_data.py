"""libgnn.utils.data: data sets in memory and in files, their parts."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy
import pytest
from samples import Given, Numbers, labels_of, write_idx

import libgnn
from libgnn.utils.data import (
    MNIST,
    DataLoader,
    FashionMNIST,
    ImageDataset,
    Subset,
    TensorDataset,
    load_csv,
    random_split,
)


def test_tensor_data_sets() -> None:
    inputs = libgnn.arange(12.0).reshape(4, 3)
    data = TensorDataset(inputs, libgnn.tensor([3, 2, 1, 0]))
    assert len(data) == 4
    assert data.tensors[0] is inputs
    x, y = data[-1]
    assert (x.tolist(), y.item()) == ([9, 10, 11], 0)
    assert [label.item() for _, label in data] == [3, 2, 1, 0]
    with pytest.raises(IndexError):
        data[4]
    with pytest.raises(IndexError):
        data[-5]
    with pytest.raises(TypeError):
        data["x"]  # type: ignore[index]
    assert labels_of(DataLoader(data, 3)) == [[3, 2, 1], [0]]


def images(rng: numpy.random.Generator, count: int = 10) -> tuple[Any, Any]:
    return (
        rng.integers(0, 256, (count, 2, 3, 4), numpy.uint8),
        rng.integers(0, 5, count, numpy.int64),
    )


def test_image_data_sets(rng: Any) -> None:
    pixels, labels = images(rng)
    data = ImageDataset(pixels, labels, name="noise", class_names=list("abcde"))
    assert (len(data), data.name, data.class_names) == (10, "noise", list("abcde"))
    assert data.mean == pytest.approx(numpy.mean(pixels / 255), rel=1e-12)
    assert data.std == pytest.approx(numpy.std(pixels / 255), rel=1e-12)
    assert numpy.array_equal(data.images.numpy(), pixels)
    assert numpy.array_equal(data.labels.numpy(), labels)
    want = (pixels / 255 - data.mean) / data.std
    (batch, classes), *rest = DataLoader(data, 10)
    assert rest == []
    # Values of order 1 in float32, rounded three times.
    numpy.testing.assert_allclose(batch.numpy(), want, atol=4e-7)
    assert numpy.array_equal(classes.numpy(), labels)
    image, label = data[3]
    assert numpy.array_equal(image.numpy(), batch.numpy()[3])
    assert label == labels[3] and isinstance(label, int)
    other = ImageDataset(*images(rng)).normalized_as(data)
    assert (other.mean, other.std) == (data.mean, data.std)
    assert "noise" in repr(data)


def test_image_data_sets_that_make_no_sense(rng: Any) -> None:
    pixels, labels = images(rng)
    for arguments, error in [
        ((pixels[:3], labels), ValueError),
        ((pixels.astype(numpy.float32), labels), TypeError),
        ((pixels, labels.astype(numpy.int32)), TypeError),
        ((pixels[0], labels), ValueError),
    ]:
        with pytest.raises(error):
            ImageDataset(*arguments)
    with pytest.raises(ValueError):
        ImageDataset(pixels, labels, mean=0.5, std=0)
    with pytest.raises(IndexError):
        ImageDataset(pixels, labels, class_names=["only one"])


def test_subsets(rng: Any) -> None:
    indices = [7, -1, 7, 0]
    pixels, labels = images(rng)
    for data in (
        ImageDataset(pixels, labels),
        TensorDataset(libgnn.tensor(pixels), libgnn.tensor(labels)),
        Given(*zip(pixels, labels.tolist())),
    ):
        whole_inputs, whole_labels = next(iter(DataLoader(data, 10)))
        part: Any = Subset(data, indices)
        nested: Any = Subset(Subset(data, range(9, -1, -1)), [2, 0, 2, 9])
        for some in (part, nested):
            assert len(some) == 4
            chosen_inputs, chosen_labels = next(iter(DataLoader(some, 4)))
            assert numpy.array_equal(chosen_inputs.numpy(), whole_inputs.numpy()[indices])
            assert chosen_labels.tolist() == whole_labels.numpy()[indices].tolist()
            assert int(some[1][1]) == whole_labels[9].item()


def test_random_splits_have_nothing_in_common(torch: Any) -> None:
    data = Numbers(11)
    for lengths in ([7, 4], [0.7, 0.3], [0.5, 0.25, 0.25], [11, 0]):
        parts = random_split(data, lengths, seed=3)
        assert sorted(sum((part.indices for part in parts), [])) == list(range(11))
        assert [len(part) for part in parts] == [
            len(part) for part in torch.utils.data.random_split(data, lengths)
        ]
        again = random_split(data, lengths, seed=3)
        assert [part.indices for part in parts] == [part.indices for part in again]
    assert random_split(data, [7, 4], seed=4)[0].indices != random_split(data, [7, 4])[0].indices


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TensorDataset(libgnn.zeros(3)), TypeError, "two Tensors"),
        (lambda: TensorDataset(libgnn.zeros(3), libgnn.zeros(2)), ValueError, "same N"),
        (lambda: TensorDataset(libgnn.zeros(()), libgnn.zeros(())), ValueError, "same N"),
        (lambda: Subset(Numbers(3), [3]), IndexError, "3 is outside of the 3 samples"),
        (lambda: random_split(Numbers(3), [1, 1]), ValueError, "sum is 3"),
        (lambda: random_split(Numbers(3), [4, -1]), ValueError, "sum is 3"),
        (lambda: random_split(Numbers(3), [0.5, 0.6]), ValueError, "sum is 1"),
        (lambda: MNIST("/nowhere"), libgnn.DataError, "/nowhere"),
        (lambda: load_csv("/nowhere.csv"), libgnn.DataError, "/nowhere"),
        (lambda: load_csv("/nowhere.csv", classes=0), ValueError, "classes"),
    ],
)
def test_what_makes_no_sense(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_csv_files(tmp_path: Path) -> None:
    text = "label,0,1,2,3,4,5\n1,0,1,2,3,4,255\n0,5,4,3,2,1,0\n"
    (tmp_path / "a.csv").write_text(text)
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write(text)
    for name in ("a.csv", "a.csv.gz"):
        data = load_csv(tmp_path / name, height=2, width=3, classes=2)
        assert data.images.tolist() == [[[[0, 1, 2], [3, 4, 255]]], [[[5, 4, 3], [2, 1, 0]]]]
        assert data.labels.tolist() == [1, 0]
        assert data.name == name
    (tmp_path / "bad.csv").write_text("1,2,3\n")
    with pytest.raises(libgnn.DataError, match="bad.csv.: line 1"):
        load_csv(str(tmp_path / "bad.csv"))
    with pytest.raises(TypeError):
        load_csv(3)  # type: ignore[arg-type]


def test_mnists_files(tmp_path: Path, rng: Any) -> None:
    pixels = rng.integers(0, 256, (6, 28, 28), numpy.uint8)
    for part, count in (("train", 6), ("t10k", 4)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", pixels[:count])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", numpy.arange(count))
    train, test = MNIST(tmp_path), FashionMNIST(str(tmp_path), train=False)
    assert numpy.array_equal(train.images.numpy()[:, 0], pixels)
    assert test.labels.tolist() == [0, 1, 2, 3]
    assert (test.mean, test.std) == (train.mean, train.std)
    assert isinstance(train, ImageDataset)


def test_mnist() -> None:
    if "GNN_DATA_DIR" not in os.environ and not os.environ.get("CI"):
        pytest.skip("GNN_DATA_DIR does not say where MNIST is; `./dev data mnist` gets it")
    train, test = MNIST(), MNIST(train=False)
    assert (len(train), len(test)) == (60000, 10000)
    assert (train.mean, train.std) == pytest.approx((0.1307, 0.3081), abs=1e-4)
    assert train.labels.tolist()[:5] == [5, 0, 4, 1, 9]
