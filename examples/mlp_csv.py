"""The network of many a first tutorial: 784-100-10 with sigmoids, trained on mnist_train.csv with
inputs of 0.01 to 1.0, targets of 0.01 and 0.99 and the mean squared error. Without CSV files it
makes them from MNIST's own."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import libgnn
from libgnn import Tensor, nn
from libgnn.utils.data import MNIST, DataLoader, ImageDataset, TensorDataset, load_csv


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=100, help="units in the hidden layer")
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--lr", type=float, default=5.0, help="learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--csv", type=Path, default=Path("."), help="folder of mnist_train.csv and mnist_test.csv"
    )
    parser.add_argument("--data", type=Path, help="folder of MNIST's four files, to make them from")
    parser.add_argument("--rows", type=int, help="N images only, in mnist_train_N.csv")
    parser.add_argument("--picture", type=Path, default=Path("mlp_csv.png"))
    return parser.parse_args()


def read(options: argparse.Namespace, part: str) -> ImageDataset:
    """mnist_train.csv or mnist_test.csv: a line for each image, its digit and 784 pixels."""
    rows = "" if options.rows is None else f"_{options.rows}"
    path = options.csv / f"mnist_{part}{rows}.csv"
    if not path.exists():
        digits = MNIST(options.data, train=part == "train", download=True)
        print(f"writing {path}")
        numbers = [str(pixel) for pixel in range(256)]
        labels = digits.labels.tolist()[: options.rows]
        with path.open("w") as file:
            for label, image in zip(labels, digits.images.reshape(-1, 784).numpy()):
                file.write(",".join([str(label), *(numbers[pixel] for pixel in image)]) + "\n")
    return load_csv(path)


def inputs_of(data: ImageDataset) -> Tensor:
    """float32 [N, 784] from 0.01 to 1.0: no pixel is 0, which would switch its weights off."""
    return data.images.reshape(-1, 784).float() / 255 * 0.99 + 0.01


def targets_of(labels: NDArray[np.int64]) -> Tensor:
    """float32 [N, 10]: 0.99 for the digit, 0.01 for the others; a sigmoid never reaches 1 or 0."""
    targets = np.full((len(labels), 10), 0.01, np.float32)
    targets[np.arange(len(labels)), labels] = 0.99
    return libgnn.from_numpy(targets)


def main() -> None:
    options = parse()
    print(f"seed {options.seed}")
    libgnn.manual_seed(options.seed)
    train, test = read(options, "train"), read(options, "test")
    data = TensorDataset(inputs_of(train), targets_of(train.labels.numpy()))
    loader = DataLoader(data, options.batch_size, shuffle=True, seed=options.seed)
    test_inputs = inputs_of(test)

    model = nn.Sequential(
        nn.Linear(784, options.hidden), nn.Sigmoid(), nn.Linear(options.hidden, 10), nn.Sigmoid()
    )
    optimizer = libgnn.optim.SGD(model.parameters(), lr=options.lr)
    losses: list[float] = []
    accuracies: list[float] = []
    for epoch in range(1, options.epochs + 1):
        total = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item()
        with libgnn.no_grad():
            outputs = model(test_inputs)
        losses.append(total / len(loader))
        accuracies.append(libgnn.metrics.accuracy(outputs, test.labels))
        print(f"epoch {epoch}: loss {losses[-1]:.5f}, test accuracy {accuracies[-1]:.2%}")

    figure = Figure(figsize=(13, 8.5), layout="constrained")
    figure.suptitle(
        f"784-{options.hidden}-10, sigmoids: {accuracies[-1]:.2%} of {len(test):,} test images"
    )
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    left, right = top.subplots(1, 2, width_ratios=(1, 1.5))
    epochs = range(1, options.epochs + 1)
    left.plot(epochs, losses, "o-")
    left.set(xlabel="epoch", xticks=epochs, title="Training", ylim=(0, None))
    left.set_ylabel("mean squared error", color="C0")
    beside = left.twinx()
    beside.plot(epochs, [100 * accuracy for accuracy in accuracies], "s--", color="C2")
    beside.set_ylabel("test accuracy, %", color="C2")

    units = min(options.hidden, 40)
    weights = model[0].weight.detach().numpy()[:units].reshape(-1, 28, 28)
    padded = np.pad(weights, ((0, -units % 10), (1, 1), (1, 1)), constant_values=np.nan)
    grid = padded.reshape(-1, 10, 30, 30).swapaxes(1, 2).reshape(-1, 300)
    limit = float(np.quantile(np.abs(weights), 0.995))
    right.imshow(grid, cmap="RdBu_r", vmin=-limit, vmax=limit)
    right.set_title(f"What {units} hidden units look for (red: ink excites, blue: ink inhibits)")
    right.axis("off")

    predicted = outputs.numpy().argmax(1)
    labels = test.labels.numpy()
    chosen = [*np.flatnonzero(predicted == labels)[:4], *np.flatnonzero(predicted != labels)[:4]]
    panels = bottom.subplots(2, len(chosen), squeeze=False, height_ratios=(1.2, 1))
    for (above, below), index in zip(panels.T, chosen):
        above.imshow(test.images.numpy()[index, 0], cmap="gray_r")
        fits = predicted[index] == labels[index]
        above.set_title(f"{labels[index]} → {predicted[index]}", color="C2" if fits else "C3")
        above.axis("off")
        colours = ["C2" if digit == labels[index] else "0.6" for digit in range(10)]
        if not fits:
            colours[predicted[index]] = "C3"
        below.bar(range(10), outputs.numpy()[index], color=colours)
        below.set(ylim=(0, 1), xticks=range(10), yticks=[0, 1])
        below.tick_params(labelsize=7)
    panels[1][0].set_ylabel("output")
    figure.savefig(options.picture, dpi=110)
    print(f"picture: {options.picture.resolve()}")


if __name__ == "__main__":
    main()
