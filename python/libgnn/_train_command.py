"""`python -m libgnn train lenet`: LeNet on MNIST, as the C++ example lenet_mnist does it.

The same seed gives the same weights as there, bit for bit: the SHA-256 that both print is equal.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import libgnn
from libgnn import DataError, _core
from libgnn.optim.lr_scheduler import CosineAnnealingLR
from libgnn.utils._download import download_mnist
from libgnn.utils.data import DataLoader, ImageDataset

__all__ = ["add_parser"]


def _whole(least: int, most: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected {least} to {most}, got {value}")
        return value

    return number


def add_parser(commands: Any) -> None:
    """Adds the command `train` to those of the command line."""
    parser = commands.add_parser(
        "train",
        help="train a model",
        description="Trains LeNet on MNIST and tests it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(run=_run)
    add = parser.add_argument
    add("model", choices=["lenet"], help="what to train")
    add("--epochs", type=_whole(1, 100000), default=10, help="passes over the training images")
    add("--batch-size", type=_whole(1, 60000), default=64, help="images per step")
    add(
        "--optimizer",
        choices=["sgd", "adam", "adamw"],
        default="sgd",
        help="sgd has momentum 0.9 and weight decay 5e-4",
    )
    add(
        "--lr",
        type=float,
        default=argparse.SUPPRESS,
        help="learning rate at the start (default: sgd 0.01, adam and adamw 0.001)",
    )
    add(
        "--seed",
        type=_whole(0, 2**64 - 1),
        default=1,
        help="of initial weights and the order of the images",
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add(
        "--data",
        default=argparse.SUPPRESS,
        help="folder with MNIST's four files "
        "(default: $GNN_DATA_DIR/mnist, else the cache folder, which they are downloaded to; "
        "Fashion-MNIST where that fails)",
    )
    add(
        "--threads",
        type=_whole(1, 4096),
        default=argparse.SUPPRESS,
        help="CPU threads; they do not change the result (default: all cores)",
    )
    for name, what in (
        ("checkpoint", "write the weights to this safetensors file after every epoch"),
        ("report", "write results to this JSON file"),
        ("picture", "write curves, confusion matrix and mistakes to this SVG file"),
    ):
        add(f"--{name}", default=argparse.SUPPRESS, help=what)


def _load_data(folder: str | None) -> tuple[ImageDataset, ImageDataset]:
    if folder is None and not _core.find_dataset("mnist"):
        print("MNIST is not here: downloading it ...", flush=True)
        try:
            folder = str(download_mnist())
        except (DataError, OSError) as error:
            if not _core.find_dataset("fashion-mnist"):
                raise
            print(error)
            train, test = _core.load_fashion_mnist("")
            name = f"{train.name} (substitute: MNIST was not found)"
            return ImageDataset._of(train, name), ImageDataset._of(test, name)
    train, test = _core.load_mnist("" if folder is None else folder)
    return ImageDataset._of(train), ImageDataset._of(test)


def _make_optimizer(options: argparse.Namespace, model: libgnn.nn.Module) -> libgnn.optim.Optimizer:
    lr = getattr(options, "lr", 0.01 if options.optimizer == "sgd" else 0.001)
    if options.optimizer == "adam":
        return libgnn.optim.Adam(model.parameters(), lr=lr)
    if options.optimizer == "adamw":
        return libgnn.optim.AdamW(model.parameters(), lr=lr)
    # Momentum and weight decay of Caffe's LeNet.
    return libgnn.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)


@contextmanager
def _stop_on_signal(trainer: libgnn.Trainer) -> Iterator[None]:
    """Ctrl-C ends the training after the present step; a second one ends the program."""

    def stop(number: int, frame: FrameType | None) -> None:
        trainer.stop()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(options: argparse.Namespace) -> int:
    outputs = {
        name: getattr(options, name)
        for name in ("checkpoint", "report", "picture")
        if hasattr(options, name)
    }
    for path in outputs.values():
        _core.check_writable(path)  # found out now, not after the training
    if hasattr(options, "threads"):
        libgnn.set_num_threads(options.threads)
    device = libgnn.device(options.device)
    what = f"{libgnn.get_num_threads()} threads" if device.type == "cpu" else _name_of(device)
    print(f"Device: {device}, {what}")
    train_data, test_data = _load_data(getattr(options, "data", None))
    print(
        f"Data: {train_data.name}, {len(train_data)} training and {len(test_data)} test images\n"
    )

    libgnn.manual_seed(options.seed)
    model = libgnn.models.LeNet().to(device)
    summary = libgnn.summary(model, (options.batch_size, 1, 28, 28))
    print(summary, flush=True)  # progress is on stderr
    train = DataLoader(
        train_data, options.batch_size, shuffle=True, seed=options.seed, device=device
    )
    test = DataLoader(test_data, 1000, device=device)
    optimizer = _make_optimizer(options, model)
    schedule = CosineAnnealingLR(optimizer, options.epochs * len(train))
    trainer = libgnn.Trainer(model, optimizer)

    def save(trainer: libgnn.Trainer, result: libgnn.EpochResult) -> None:
        if "checkpoint" in outputs:
            libgnn.save(model, outputs["checkpoint"])

    with _stop_on_signal(trainer):
        # The test set is evaluated for the curves and nothing is chosen by it: the result is that
        # of the last epoch.
        history = trainer.fit(
            train,
            epochs=options.epochs,
            validation=test,
            validation_name="test",
            schedule=schedule,
            schedule_every_step=True,
            on_epoch=save,
        )
    complete = len(history.epochs)
    if history.stopped:
        text = f"libgnn: stopped in epoch {complete + 1} of {options.epochs}"
        if "checkpoint" in outputs and complete > 0:
            text += f"; {outputs['checkpoint']} has the weights after epoch {complete}"
        print(text, file=sys.stderr)
        return 130
    evaluation = trainer.evaluate(test)
    digest = libgnn.sha256(model)
    print(
        f"\nTest accuracy on {test_data.name}: {100 * evaluation.accuracy:.2f} % "
        f"(loss {evaluation.loss:.4f})"
    )
    print(f"Training: {history.seconds:.1f} s, {history.samples_per_second:.0f} images/s")
    print(f"SHA-256 of all parameters: {digest}")
    if "report" in outputs:
        report = _report(options, train_data, device, history, evaluation, digest)
        _core.write_file(outputs["report"], json.dumps(report, indent=2) + "\n")
    if "picture" in outputs:
        _write_picture(outputs["picture"], options, test_data, device, history, evaluation)
    for path in outputs.values():
        print(f"Wrote {path}")
    return 0


def _name_of(device: libgnn.device) -> str:
    return "CPU" if device.index is None else libgnn.cuda.get_device_name(device.index)


def _report(
    options: argparse.Namespace,
    data: ImageDataset,
    device: libgnn.device,
    history: libgnn.History,
    evaluation: libgnn.Evaluation,
    digest: str,
) -> dict[str, Any]:
    epochs = history.epochs
    return {
        "model": "LeNet",
        "dataset": data.name,
        "device": str(device),
        "device_name": _name_of(device),
        "threads": libgnn.get_num_threads(),
        "seed": options.seed,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "optimizer": options.optimizer,
        "lr": epochs[0].lr,
        "test_accuracy": evaluation.accuracy,
        "test_loss": evaluation.loss,
        "seconds": history.seconds,
        "images_per_second": history.samples_per_second,
        "parameters_sha256": digest,
        "seconds_at_epoch_end": [epoch.elapsed_seconds for epoch in epochs],
        "lr_by_epoch": [epoch.lr for epoch in epochs],
        "train_loss": [epoch.train_loss for epoch in epochs],
        "train_accuracy": [epoch.train_accuracy for epoch in epochs],
        "test_loss_by_epoch": [epoch.validation_loss for epoch in epochs],
        "test_accuracy_by_epoch": [epoch.validation_accuracy for epoch in epochs],
    }


def _write_picture(
    path: str,
    options: argparse.Namespace,
    data: ImageDataset,
    device: libgnn.device,
    history: libgnn.History,
    evaluation: libgnn.Evaluation,
) -> None:
    libgnn.write_training_picture(
        path,
        f"LeNet on {data.name}",
        subtitle=f"test accuracy {100 * evaluation.accuracy:.2f} %, {options.epochs} "
        f"{'epoch' if options.epochs == 1 else 'epochs'}, seed {options.seed}, {device}",
        train_loss=[epoch.train_loss for epoch in history.epochs],
        validation_loss=[epoch.validation_loss for epoch in history.epochs],
        validation_accuracy=[epoch.validation_accuracy for epoch in history.epochs],
        class_names=data.class_names,
        confusion=evaluation.confusion,
        misclassified=[
            (data.images[sample.index], sample.label, sample.predicted)
            for sample in evaluation.misclassified
            if sample.predicted >= 0
        ],
    )
