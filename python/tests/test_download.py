"""MNIST(download=True), from mirrors in folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import libgnn
from libgnn import _core
from libgnn._train_command import _load_data
from libgnn.utils._download import _listed
from libgnn.utils.data import MNIST

NAMES = [name for name, _ in _listed("file")]
NOWHERE = "http://127.0.0.1:1"  # refused at once


@pytest.fixture
def mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Mirrors that are good, or not; and no MNIST on this machine."""
    source = Path(os.environ.get("GNN_DATA_DIR", ""), "mnist")
    if not _core.has_mnist_files(source) and not os.environ.get("CI"):
        pytest.skip("GNN_DATA_DIR does not say where MNIST is; `./dev data mnist` gets it")
    for mirror in ("good", "truncated", "wrong", "incomplete"):
        (tmp_path / mirror).mkdir()
        for name in NAMES:
            shutil.copyfile(source / f"{name}.gz", tmp_path / mirror / f"{name}.gz")
    os.truncate(tmp_path / "truncated" / "train-images-idx3-ubyte.gz", 1000000)
    with open(tmp_path / "wrong" / "t10k-labels-idx1-ubyte.gz", "r+b") as file:
        file.write(b"X")
    os.remove(tmp_path / "incomplete" / "train-labels-idx1-ubyte.gz")
    monkeypatch.delenv("GNN_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return {path.name: f"file://{path}" for path in tmp_path.iterdir()}


def test_downloads_what_is_not_there(
    mirrors: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = [mirrors[name] for name in ("wrong", "truncated", "good")]
    monkeypatch.setenv("GNN_MNIST_MIRRORS", " ".join([NOWHERE, *usable]))
    for root, folder in ((None, tmp_path / "cache/libgnn/mnist"), (tmp_path / "a/b", tmp_path / "a/b")):
        assert len(MNIST(root, train=False, download=True)) == 10000
        assert sorted(os.listdir(folder)) == sorted(f"{name}.gz" for name in NAMES)
        monkeypatch.setenv("GNN_MNIST_MIRRORS", mirrors["good"])
    # Now they are there.
    monkeypatch.setenv("GNN_MNIST_MIRRORS", NOWHERE)
    assert len(MNIST(download=True)) == len(MNIST()) == 60000
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
    assert (train.name, len(train), len(test)) == ("MNIST", 60000, 10000)
    assert "MNIST is not here: downloading it" in capsys.readouterr().out
