"""A small network learns to tell two classes of points apart, moons and spirals: its decision
boundary over the course of training, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import libgnn
from libgnn import nn
from libgnn.utils.data import DataLoader, TensorDataset

COLOURS = ("#2166ac", "#b2182b")


def moons(count: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two half circles that reach into each other; class 0 is the upper one."""
    label = np.arange(count) % 2
    angle = random.uniform(0, np.pi, count)
    points = (
        np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], 1) * np.where(label, -1, 1)[:, None]
    )
    return points + 0.15 * random.standard_normal((count, 2)), label


def spirals(
    count: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two spirals of one and a half turns around each other."""
    label = np.arange(count) % 2
    turn = np.sqrt(random.uniform(0.02, 1, count))
    angle = 3 * np.pi * turn + np.pi * label
    points = 1.7 * turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return points + 0.05 * random.standard_normal((count, 2)), label


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--points", type=int, default=600)
    parser.add_argument(
        "--hidden", type=int, default=32, help="units in each of the two hidden layers"
    )
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate of Adam")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=Path("decision_boundary.png"))
    return parser.parse_args()


def main() -> None:
    options = parse()
    print(f"seed {options.seed}")
    shown = sorted({1, max(options.epochs // 20, 1), max(options.epochs // 5, 1), options.epochs})
    figure = Figure(figsize=(3.4 * len(shown) + 1, 7.2), layout="constrained")
    rows = figure.subplots(2, len(shown), sharex=True, sharey=True, squeeze=False)

    side = np.linspace(-2.2, 2.2, 200, dtype=np.float32)
    grid = libgnn.tensor(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2))
    for row, make in zip(rows, (moons, spirals)):
        libgnn.manual_seed(options.seed)
        points, label = make(options.points, np.random.default_rng(options.seed))
        inputs = libgnn.tensor(points, dtype=libgnn.float32)
        labels = libgnn.tensor(label)
        loader = DataLoader(
            TensorDataset(inputs, labels), batch_size=32, shuffle=True, seed=options.seed
        )
        model = nn.Sequential(
            nn.Linear(2, options.hidden),
            nn.ReLU(),
            nn.Linear(options.hidden, options.hidden),
            nn.ReLU(),
            nn.Linear(options.hidden, 2),
        )
        optimizer = libgnn.optim.Adam(model.parameters(), lr=options.lr)

        for epoch in range(1, options.epochs + 1):
            for batch, classes in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(batch), classes).backward()
                optimizer.step()
            if epoch not in shown:
                continue
            with libgnn.no_grad():
                right = libgnn.metrics.accuracy(model(inputs), labels)
                probability = model(grid).softmax(1).numpy()[:, 1].reshape(len(side), len(side))
            print(f"{make.__name__}, epoch {epoch}: {right:.1%} of the points right")
            axes = row[shown.index(epoch)]
            levels = np.linspace(0, 1, 11)
            shades = axes.contourf(side, side, probability, levels, cmap="RdBu_r", alpha=0.45)
            axes.contour(side, side, probability, [0.5], colors="k", linewidths=1.5)
            for number, colour in enumerate(COLOURS):
                here = points[label == number]
                axes.scatter(
                    here[:, 0], here[:, 1], s=12, color=colour, edgecolors="w", linewidths=0.4
                )
            epochs = "epoch" if epoch == 1 else "epochs"
            axes.set_title(f"{make.__name__}, {epoch} {epochs}: {right:.1%}")
            axes.set(aspect="equal", xlim=side[[0, -1]], ylim=side[[0, -1]], xticks=[], yticks=[])
    figure.colorbar(
        shades, ax=rows, label="probability of the red class", shrink=0.5, ticks=[0, 0.5, 1]
    )
    figure.savefig(options.picture, dpi=110)
    print(f"picture: {options.picture.resolve()}")


if __name__ == "__main__":
    main()
