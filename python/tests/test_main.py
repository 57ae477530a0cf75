"""`python -m libgnn`, and pictures of training runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy
import pytest
from processes import started
from samples import write_idx

import libgnn


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "libgnn", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


@pytest.fixture
def digits(tmp_path: Path) -> str:
    """A folder with MNIST's four files: ten kinds of stripes and noise."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = numpy.random.default_rng(1)
    for part, count in (("train", 320), ("t10k", 100)):
        labels = numpy.arange(count) % 10
        images = rng.integers(0, 60, (count, 28, 28))
        for index, label in enumerate(labels):
            images[index, 2 * label + 4 : 2 * label + 7] += 180
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return str(folder)


def test_info() -> None:
    done = run("info")
    assert (done.returncode, done.stderr) == (0, "")
    version, cpu, cuda = done.stdout.splitlines()
    assert version.startswith(f"libgnn {libgnn.__version__}, Python ")
    assert re.fullmatch(r"CPU: [1-9]\d* threads", cpu)
    assert cuda.startswith("CUDA: ")
    if not libgnn.cuda.is_available():
        assert libgnn.cuda.reason() in cuda


def test_help_lists_every_option() -> None:
    done = run("train", "--help")
    assert done.returncode == 0
    for option in (
        *("--epochs", "--batch-size", "--lr", "--optimizer", "--seed", "--device", "--data"),
        *("--checkpoint", "--report", "--picture", "--threads"),
    ):
        assert option in done.stdout
    assert "Fashion-MNIST" in " ".join(done.stdout.split())


def test_trains_and_writes_what_was_asked_for(digits: str, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("checkpoint", "report", "picture")}
    arguments = [text for name, path in files.items() for text in (f"--{name}", path)]
    done = run(
        *("train", "lenet", "--data", digits, "--epochs", "3", "--batch-size", "16"),
        *("--device", "cpu", "--threads", "2", *arguments),
    )
    assert done.returncode == 0, done.stderr
    head = f"Device: cpu, 2 threads\nData: {Path(digits).name}, 320 training and 100 test images\n"
    assert done.stdout.startswith(head)
    assert [line.split("  ")[0] for line in done.stderr.splitlines()] == [
        f"Epoch {epoch}/3" for epoch in (1, 2, 3)
    ]
    for path in files.values():
        assert f"Wrote {path}" in done.stdout

    report = json.loads(Path(files["report"]).read_text())
    assert f"SHA-256 of all parameters: {report['parameters_sha256']}" in done.stdout
    assert report["test_accuracy"] > 0.9
    accuracy = f"{100 * report['test_accuracy']:.2f} %"
    assert f"Test accuracy on {report['dataset']}: {accuracy}" in done.stdout
    assert len(report["train_loss"]) == report["epochs"] == 3
    assert (report["seed"], report["batch_size"], report["lr"]) == (1, 16, 0.01)

    # What was saved is what was trained.
    model = libgnn.models.LeNet()
    model.load_state_dict(libgnn.load(files["checkpoint"]))
    assert libgnn.sha256(model) == report["parameters_sha256"]
    assert "LeNet on" in Path(files["picture"]).read_text()
    ElementTree.parse(files["picture"])

    # And it is the same again, whatever the number of threads.
    again = run(
        *("train", "lenet", "--data", digits, "--epochs", "3", "--batch-size", "16"),
        *("--device", "cpu", "--threads", "1"),
    )
    assert report["parameters_sha256"] in again.stdout


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_other_optimizers(digits: str, optimizer: str) -> None:
    done = run(
        *("train", "lenet", "--data", digits, "--epochs", "1", "--threads", "1", "--device", "cpu"),
        *("--optimizer", optimizer, "--lr", "0.002", "--seed", "7"),
    )
    assert done.returncode == 0, done.stderr
    assert "lr 0.002" in done.stderr


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_the_weights_are_those_of_the_cpp_example(digits: str, optimizer: str) -> None:
    """Of the same seed, bit for bit. Where the package runs in its build folder, the C++ program is
    beside it; elsewhere GNN_LENET_MNIST names it."""
    beside = Path(libgnn.__file__).parents[2] / "examples" / "lenet_mnist"
    program = os.environ.get("GNN_LENET_MNIST", beside)
    if program == beside and not beside.exists():
        pytest.skip(f"there is no {beside}; GNN_LENET_MNIST names it where it is elsewhere")
    arguments = ["--data", digits, "--epochs", "2", "--seed", "5", "--device", "cpu"]
    arguments += ["--threads", "1", "--batch-size", "24", "--optimizer", optimizer]
    theirs = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    ours = run("train", "lenet", *arguments)

    def digest(done: subprocess.CompletedProcess[str]) -> list[str]:
        return [line for line in done.stdout.splitlines() if line.startswith("SHA-256")]

    assert len(digest(theirs)) == 1, theirs.stderr
    assert digest(ours) == digest(theirs), ours.stderr


def test_ctrl_c_stops_after_the_present_step(digits: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    with started(
        [
            *(sys.executable, "-m", "libgnn", "train", "lenet", "--data", digits),
            *("--epochs", "100000", "--threads", "1", "--device", "cpu"),
            *("--checkpoint", str(checkpoint)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        for _ in range(3):
            assert process.stderr.readline().startswith("Epoch")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        last = process.stderr.read().splitlines()[-1]
    assert "libgnn: stopped in epoch" in last and "has the weights after epoch" in last
    libgnn.models.LeNet().load_state_dict(libgnn.load(checkpoint))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "required"),
        (["fly"], 2, "invalid choice"),
        (["train", "resnet"], 2, "invalid choice"),
        (["train", "lenet", "--epochs", "0"], 2, "expected 1 to 100000"),
        (["train", "lenet", "--lr", "fast"], 2, "invalid float"),
        (["train", "lenet", "--data", "/nowhere"], 1, "/nowhere"),
        (["train", "lenet", "--device", "tpu"], 1, "tpu"),
        (["train", "lenet", "--report", "/nowhere/report"], 1, "/nowhere/report"),
    ],
)
def test_errors_say_what_is_wrong(arguments: list[str], status: int, message: str) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_pictures(tmp_path: Path, rng: Any) -> None:
    image = rng.integers(0, 256, (28, 28), numpy.uint8)
    arguments: dict[str, Any] = {
        "subtitle": "two <epochs>",
        "train_loss": [1.0, 0.5],
        "validation_loss": numpy.array([1.1, 0.6]),
        "validation_accuracy": [0.5, float("nan")],
        "confusion": numpy.array([[3, 1], [0, 4]]),
        "class_names": ["cat", "dog"],
        "misclassified": [(image, 0, 1), (libgnn.tensor(image), 1, 0)],
    }
    svg = libgnn.training_picture("A & B", **arguments)
    text = " ".join(ElementTree.fromstring(svg).itertext())
    for part in ("A & B", "two <epochs>", "cat", "dog"):
        assert part in text
    libgnn.write_training_picture(tmp_path / "x.svg", "A & B", **arguments)
    assert (tmp_path / "x.svg").read_text() == svg
    for changes, error in [
        ({"confusion": [[1, 2]]}, ValueError),
        ({"class_names": ["cat"]}, ValueError),
        ({"misclassified": [(image, 0, 7)]}, (ValueError, IndexError)),
        ({"misclassified": [(image.astype(numpy.float32), 0, 1)]}, TypeError),
        ({"train_loss": ["x"]}, TypeError),
    ]:
        with pytest.raises(error):
            libgnn.training_picture("", **{**arguments, **changes})
    with pytest.raises(libgnn.DataError):
        libgnn.write_training_picture("/nowhere/x.svg", "")
