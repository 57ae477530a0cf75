"""libgnn.save and libgnn.load: safetensors files, byte for byte."""

from __future__ import annotations

import gc
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy
import pytest

import libgnn
from libgnn import nn


def written_by_pytorch(tensors: dict[str, numpy.ndarray], metadata: Any = None) -> bytes:
    """What safetensors.torch.save_file() writes: the header's tensors by falling size of their
    elements, then by name; compact JSON, padded with spaces to a multiple of 8."""
    codes = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "uint8": "U8"}
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    data = b""
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        header[name] = {
            "dtype": codes[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def weights(rng: numpy.random.Generator) -> dict[str, numpy.ndarray]:
    """LeNet's, with values whose bits are easily lost."""
    shapes = {
        "conv1.weight": (20, 1, 5, 5),
        "conv1.bias": (20,),
        "conv2.weight": (50, 20, 5, 5),
        "conv2.bias": (50,),
        "fc1.weight": (500, 800),
        "fc1.bias": (500,),
        "fc2.weight": (10, 500),
        "fc2.bias": (10,),
    }
    arrays = {name: rng.normal(size=shape).astype(numpy.float32) for name, shape in shapes.items()}
    arrays["fc2.bias"][:5] = [-0.0, 1e-45, numpy.inf, -numpy.inf, numpy.nan]
    return arrays


def test_a_file_of_pytorchs_goes_into_the_model_and_back(tmp_path: Path, rng: Any) -> None:
    arrays = weights(rng)
    (tmp_path / "theirs.safetensors").write_bytes(written_by_pytorch(arrays, {"format": "pt"}))
    model = libgnn.models.LeNet()
    state = libgnn.load(tmp_path / "theirs.safetensors")
    model.load_state_dict(state)
    for name, tensor in model.state_dict().items():
        assert tensor.detach().numpy().tobytes() == arrays[name].tobytes(), name

    # The same tensors in the same order: the same file.
    libgnn.save(state, tmp_path / "ours.safetensors", {"format": "pt"})
    theirs = (tmp_path / "theirs.safetensors").read_bytes()
    assert (tmp_path / "ours.safetensors").read_bytes() == theirs

    # And the model's own file holds the same bytes, in the model's order.
    libgnn.save(model, tmp_path / "model.safetensors")
    again = libgnn.load(tmp_path / "model.safetensors")
    assert list(again) == list(model.state_dict())
    assert {name: tensor.numpy().tobytes() for name, tensor in again.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    assert libgnn.load_metadata(tmp_path / "model.safetensors") == {"format": "pt"}


def test_every_dtype_comes_back(tmp_path: Path) -> None:
    tensors = {
        "float32": libgnn.tensor([1.5, -0.0]),
        "float64": libgnn.tensor([0.1], dtype=libgnn.float64),
        "float16": libgnn.tensor([0.1], dtype=libgnn.float16),
        "bfloat16": libgnn.tensor([0.1], dtype=libgnn.bfloat16),
        "int32": libgnn.tensor([-7], dtype=libgnn.int32),
        "int64": libgnn.tensor([[1 << 62]]),
        "uint8": libgnn.tensor([255], dtype=libgnn.uint8),
        "empty": libgnn.zeros(0, 3),
        "scalar": libgnn.tensor(2.5),
        "ünï/код": libgnn.ones(1, requires_grad=True),
    }
    libgnn.save(tensors, str(tmp_path / "x"), {"note": "line\nbreak", "ключ": "Wert"})
    loaded = libgnn.load(str(tmp_path / "x"))
    assert libgnn.load_metadata(tmp_path / "x") == {"note": "line\nbreak", "ключ": "Wert"}
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        got = loaded[name]
        assert (got.dtype, got.shape) == (tensor.dtype, tensor.shape)
        assert got.tolist() == tensor.tolist()
        assert not got.requires_grad
    del loaded
    gc.collect()
    assert got.tolist() == [1.0]


def test_sha256_is_that_of_names_dtypes_shapes_and_bytes() -> None:
    tensors = {"a.w": libgnn.tensor([[1.5, -2.0]]), "n": libgnn.tensor([3])}
    content = b"a.w float32 [1, 2]\n" + struct.pack("<2f", 1.5, -2) + b"n int64 [1]\n"
    want = hashlib.sha256(content + struct.pack("<q", 3)).hexdigest()
    assert libgnn.sha256(tensors) == want
    model = nn.Linear(2, 2)
    assert libgnn.sha256(model) == libgnn.sha256(model.state_dict())


def test_training_goes_on_from_a_file(tmp_path: Path) -> None:
    """Model, optimizer, schedule and random numbers: bitwise as if never interrupted."""
    x, y = libgnn.ones(4, 3), libgnn.tensor([0, 1, 0, 1])

    def make() -> tuple[Any, Any, Any]:
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        optimizer = libgnn.optim.Adam(model.parameters(), lr=0.1)
        return model, optimizer, libgnn.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def steps(model: Any, optimizer: Any, schedule: Any) -> None:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            schedule.step()

    libgnn.manual_seed(1)
    running = make()
    steps(*running)
    names = ("model", "optimizer", "schedule")
    state: dict[str, Any] = {name: part.state_dict() for name, part in zip(names, running)}
    libgnn.save({**state, "random": libgnn.get_rng_state(), "epoch": 3}, tmp_path / "x")
    steps(*running)

    libgnn.manual_seed(7)
    resumed = make()
    saved = libgnn.load(tmp_path / "x")
    assert list(saved) == ["model", "optimizer", "schedule", "random", "epoch"]
    for name, part in zip(names, resumed):
        part.load_state_dict(saved[name])
    libgnn.set_rng_state(saved["random"])
    steps(*resumed)
    assert libgnn.sha256(resumed[0]) == libgnn.sha256(running[0])
    # To others it is a file of tensors.
    header = (tmp_path / "x").read_bytes()
    assert b'"optimizer.state.0.exp_avg":{"dtype":"F32","shape":[8,3]' in header


def test_nested_dicts_come_back(tmp_path: Path) -> None:
    tensor = libgnn.tensor([1.5])
    tree = {
        "a": {"b": [tensor, {0: tensor * 2, "0x": (1, 2.5, None)}], "": True},
        "text": 'quote " \n ünï',
        "numbers": [1e-300, float("inf"), 1 << 70, -0.0],
        7: {},
        "nothing": [],
    }
    libgnn.save(tree, tmp_path / "x", {"note": "n"})
    loaded: Any = libgnn.load(tmp_path / "x")
    assert loaded["a"]["b"][0].tolist() == [1.5]
    assert loaded["a"]["b"][1].pop(0).tolist() == [3.0]
    assert loaded["a"].pop("b")[1] == {"0x": (1, 2.5, None)}
    assert loaded.pop("a") == {"": True}
    assert loaded == {key: tree[key] for key in ("text", "numbers", 7, "nothing")}
    assert list(loaded) == ["text", "numbers", 7, "nothing"]
    assert libgnn.load_metadata(tmp_path / "x")["note"] == "n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "[]",
        '{"list": []}',
        '{"tensor": "missing"}',
        '{"dict": [["x", {"tensor": "missing"}]]}',
        '{"dict": [["x", {"tensor": ["x"]}]]}',
        '{"dict": [1]}',
        '{"dict": 1}',
        '{"dict": [[{}, 1]]}',
        '{"dict": [], "list": []}',
        '{"set": []}',
        "{}",
        '{"dict": [["x", ' + '{"list": [' * 5000 + "]}" * 5000 + "]]}",
    ],
)
def test_damaged_structures(tmp_path: Path, text: str) -> None:
    libgnn.save({"x": libgnn.ones(1)}, tmp_path / "x", {"libgnn.structure": text})
    with pytest.raises(libgnn.DataError, match="'libgnn.structure' is damaged"):
        libgnn.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 bytes"),
        (b"\xff" * 8 + b"{}", "over the limit"),
        (struct.pack("<Q", 16) + b"{}", "truncated"),
        (struct.pack("<Q", 2) + b"[]", "does not begin"),
        (struct.pack("<Q", 8) + b'{"x":1} ', "expected an object"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    for function in (libgnn.load, libgnn.load_metadata):
        with pytest.raises(libgnn.DataError, match=message) as caught:
            function(path)
        assert str(path) in str(caught.value)


def test_what_cannot_be_saved_or_loaded(tmp_path: Path) -> None:
    path = tmp_path / "x"
    one = libgnn.ones(1)
    cases: list[tuple[Any, Any]] = [
        (lambda: libgnn.save({"__metadata__": libgnn.ones(1)}, path), ValueError),
        (lambda: libgnn.save({"x": object()}, path), TypeError),
        (lambda: libgnn.save({"x": {"y": [numpy.ones(1)]}}, path), TypeError),
        (lambda: libgnn.save({"x": {1.5: 1}}, path), TypeError),
        (lambda: libgnn.save({"x": {"y": one}, "x.y": one}, path), ValueError),
        (lambda: libgnn.save({1: libgnn.ones(1)}, path), TypeError),
        (lambda: libgnn.save(3, path), TypeError),
        (lambda: libgnn.save({}, 3), TypeError),
        (lambda: libgnn.save({}, path, {"x": 1}), TypeError),
        (lambda: libgnn.save({}, path, {"x": "\ud800"}), (TypeError, ValueError)),
        (lambda: libgnn.save({}, tmp_path / "no" / "folder"), libgnn.DataError),
        (lambda: libgnn.load(tmp_path / "missing"), libgnn.DataError),
        (lambda: libgnn.load(tmp_path), libgnn.DataError),
        (lambda: libgnn.load(3), TypeError),
        (lambda: libgnn.load(path, "tpu"), libgnn.DeviceError),
    ]
    for case, error in cases:
        with pytest.raises(error):
            case()
        assert not path.exists()
    libgnn.save({}, path)
    assert libgnn.load(path) == {}
