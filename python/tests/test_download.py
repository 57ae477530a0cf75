"""MNIST(download=True), from mirrors in folders."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
from pathlib import Path

import numpy
import pytest
from samples import write_idx

import libgnn
from libgnn import _core
from libgnn._train_command import _load_data
from libgnn.utils import _download
from libgnn.utils.data import MNIST

LISTED = {what: _download._listed(what) for what in ("file", "mirror")}
NAMES = [name for name, _ in LISTED["file"]]
NOWHERE = "http://127.0.0.1:1"  # refused at once


@pytest.fixture
def mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Mirrors of a small MNIST, good ones and others; and no MNIST on this machine."""
    files = []
    (tmp_path / "good").mkdir()
    for name in NAMES:
        count = 6 if name.startswith("train") else 4
        plain = tmp_path / "plain"
        write_idx(plain, numpy.arange(count) if "labels" in name else numpy.zeros((count, 28, 28)))
        content = gzip.compress(plain.read_bytes(), mtime=0)
        plain.unlink()
        (tmp_path / "good" / f"{name}.gz").write_bytes(content)
        files.append([name, hashlib.sha256(content).hexdigest()])
    monkeypatch.setattr(_download, "_listed", lambda what: {**LISTED, "file": files}[what])
    for mirror in ("truncated", "wrong", "incomplete"):
        shutil.copytree(tmp_path / "good", tmp_path / mirror)
    os.truncate(tmp_path / "truncated" / "train-images-idx3-ubyte.gz", 20)
    with open(tmp_path / "wrong" / "t10k-labels-idx1-ubyte.gz", "r+b") as file:
        file.write(b"X")
    os.remove(tmp_path / "incomplete" / "train-labels-idx1-ubyte.gz")
    monkeypatch.delenv("GNN_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return {path.name: f"file://{path}" for path in tmp_path.iterdir()}


def test_what_is_listed() -> None:
    assert len(NAMES) == 4 and len(LISTED["mirror"]) >= 2
    for name, sha256 in LISTED["file"]:
        assert name.endswith("-ubyte") and re.fullmatch("[0-9a-f]{64}", sha256)
    assert all(url.startswith("https://") for (url,) in LISTED["mirror"])


def test_downloads_what_is_not_there(
    mirrors: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = [mirrors[name] for name in ("wrong", "truncated", "good")]
    monkeypatch.setenv("GNN_MNIST_MIRRORS", " ".join([NOWHERE, *usable]))
    for root, folder in ((None, tmp_path / "cache/libgnn/mnist"), (tmp_path / "a/b", tmp_path / "a/b")):
        assert len(MNIST(root, train=False, download=True)) == 4
        assert sorted(os.listdir(folder)) == sorted(f"{name}.gz" for name in NAMES)
        monkeypatch.setenv("GNN_MNIST_MIRRORS", mirrors["good"])
    # Now they are there.
    monkeypatch.setenv("GNN_MNIST_MIRRORS", NOWHERE)
    assert len(MNIST(download=True)) == len(MNIST()) == 6
    os.remove(tmp_path / "a/b" / f"{NAMES[0]}.gz")
    with pytest.raises(libgnn.DataError, match="cannot be downloaded"):
        MNIST(tmp_path / "a/b", download=True)


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("truncated", r"its train-images-idx3-ubyte.gz is not MNIST's \(wrong SHA-256\)"),
        ("wrong", r"its t10k-labels-idx1-ubyte.gz is not MNIST's \(wrong SHA-256\)"),
        ("incomplete", "incomplete: .*No such file"),
        ("refused", "127.0.0.1:1: .*refused"),
        ("nonsense", "no-url: unknown url type"),
    ],
)
def test_mirrors_that_cannot_be_used(
    mirrors: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mirror: str,
    message: str,
) -> None:
    place = {"refused": NOWHERE, "nonsense": "no-url"}.get(mirror) or mirrors[mirror]
    monkeypatch.setenv("GNN_MNIST_MIRRORS", place)
    with pytest.raises(libgnn.DataError, match=f"MNIST cannot be downloaded: .*{message}.*GNN_MNIST_MIRRORS"):
        MNIST(download=True)
    assert not (tmp_path / "cache").exists()


def test_the_train_command_gets_mnist(
    mirrors: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GNN_MNIST_MIRRORS", NOWHERE)
    if not _core.find_dataset("fashion-mnist"):
        with pytest.raises(libgnn.DataError, match="cannot be downloaded"):
            _load_data(None)
    shutil.copytree(tmp_path / "good", tmp_path / "cache/libgnn/fashion-mnist")
    assert "substitute: MNIST was not found" in _load_data(None)[0].name
    monkeypatch.setenv("GNN_MNIST_MIRRORS", mirrors["good"])
    train, test = _load_data(None)
    assert (train.name, len(train), len(test)) == ("mnist", 6, 4)
    assert "MNIST is not here: downloading it" in capsys.readouterr().out
