"""Trains LeNet on MNIST and draws what it learnt: curves, the first layer's filters, the confusion
matrix and digits that it takes for others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import libgnn
from libgnn import nn
from libgnn.utils.data import MNIST, DataLoader, Dataset, Subset


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.02, help="learning rate at the start")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--data", type=Path, help="folder with MNIST's four files")
    parser.add_argument("--images", type=int, help="train on the first N images only")
    parser.add_argument("--picture", type=Path, default=Path("lenet_mnist.png"))
    return parser.parse_args()


def lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(50 * 4 * 4, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )


def draw_curves(axes: Axes, results: list[libgnn.EpochResult]) -> None:
    epochs = [result.epoch for result in results]
    axes.plot(epochs, [result.train_loss for result in results], "o-", label="training loss")
    axes.plot(epochs, [result.validation_loss for result in results], "o-", label="test loss")
    axes.set(xlabel="epoch", ylabel="cross-entropy", xticks=epochs, ylim=(0, None))
    axes.set_title("Training")
    right = axes.twinx()
    accuracy = [100 * result.validation_accuracy for result in results]
    right.plot(epochs, accuracy, "s--", color="C2", label="test accuracy")
    right.set_ylabel("test accuracy, %", color="C2")
    lines = [*axes.get_lines(), *right.get_lines()]
    axes.legend(lines, [line.get_label() for line in lines], loc="center right")


def tiles(images: NDArray[Any], columns: int, gap: float) -> NDArray[Any]:
    """Images [N, H, W] as one picture, `columns` in a row, with `gap` as the value between them."""
    padded = np.pad(images, ((0, -len(images) % columns), (1, 1), (1, 1)), constant_values=gap)
    count, height, width = padded.shape
    grid = padded.reshape(count // columns, columns, height, width).swapaxes(1, 2)
    return grid.reshape(count // columns * height, columns * width)


def draw_confusion(axes: Axes, counts: NDArray[Any]) -> None:
    mistakes = counts.astype(float)
    np.fill_diagonal(mistakes, 0)
    axes.imshow(mistakes, cmap="Reds", vmax=max(mistakes.max(), 1) * 1.5)
    for (row, column), count in np.ndenumerate(counts):
        shade = "0.55" if row == column else "k"
        if count:
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=shade)
    axes.set(xlabel="predicted", ylabel="digit", xticks=range(10), yticks=range(10))
    axes.set_title("Confusion matrix")


def main() -> None:
    options = parse()
    print(f"seed {options.seed}")
    libgnn.manual_seed(options.seed)
    device = libgnn.device(options.device)

    digits = MNIST(options.data, download=True)
    test = MNIST(options.data, train=False, download=True)
    train: Dataset[Any] = (
        digits if options.images is None else Subset(digits, range(options.images))
    )
    loader = DataLoader(train, options.batch_size, shuffle=True, seed=options.seed, device=device)
    test_loader = DataLoader(test, 500, device=device)

    model = lenet().to(device)
    optimizer = libgnn.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, weight_decay=5e-4)
    schedule = libgnn.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs * len(loader))
    trainer = libgnn.Trainer(model, optimizer)
    history = trainer.fit(
        loader,
        epochs=options.epochs,
        validation=test_loader,
        validation_name="test",
        schedule=schedule,
        schedule_every_step=True,
    )
    result = trainer.evaluate(test_loader)
    print(f"test accuracy {result.accuracy:.2%}, {history.samples_per_second:,.0f} images/s")

    figure = Figure(figsize=(13, 9), layout="constrained")
    figure.suptitle(f"LeNet on {test.name}: {result.accuracy:.2%} of the test images right")
    panels = figure.subplot_mosaic([["curves", "filters"], ["confusion", "mistakes"]])
    draw_curves(panels["curves"], history.epochs)

    filters = model[0].weight.detach().cpu().numpy()[:, 0]
    limit = float(np.abs(filters).max())
    panels["filters"].imshow(tiles(filters, 5, np.nan), cmap="RdBu_r", vmin=-limit, vmax=limit)
    panels["filters"].set_title("The first layer's 20 filters (red: positive, blue: negative)")
    panels["filters"].axis("off")

    assert result.confusion_matrix is not None
    draw_confusion(panels["confusion"], result.confusion_matrix.counts())
    pixels = test.images.numpy()[:, 0]
    mistakes = result.misclassified[:24]
    panels["mistakes"].axis("off")
    of = len(result.misclassified)
    panels["mistakes"].set_title(f"{len(mistakes)} of {of} mistakes: digit → prediction")
    if mistakes:
        chosen = pixels[[mistake.index for mistake in mistakes]]
        labelled = np.pad(chosen, ((0, 0), (9, 0), (0, 0)))  # room for the text
        panels["mistakes"].imshow(tiles(labelled, 6, 50), cmap="gray_r", vmin=0, vmax=255)
        for place, mistake in enumerate(mistakes):
            text = f"{mistake.label} → {mistake.predicted}"
            where = (place % 6 * 30 + 15, place // 6 * 39 + 6)
            panels["mistakes"].text(
                *where, text, fontsize=9, color="#b2182b", ha="center", va="center"
            )
    figure.savefig(options.picture, dpi=110)
    print(f"picture: {options.picture.resolve()}")


if __name__ == "__main__":
    main()
