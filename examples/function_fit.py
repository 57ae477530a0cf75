"""A small network learns a function of one variable: what it says over the course of training, as
a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

import libgnn
from libgnn import nn


def function(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is to be learnt: a wave that becomes shorter and higher."""
    return np.asarray(np.sin(x**2 / 2) * x / 3)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3000, help="updates of the weights")
    parser.add_argument("--samples", type=int, default=200, help="points to learn from")
    parser.add_argument(
        "--noise", type=float, default=0.1, help="standard deviation of their errors"
    )
    parser.add_argument(
        "--hidden", type=int, default=64, help="units in each of the two hidden layers"
    )
    parser.add_argument("--lr", type=float, default=5e-3, help="learning rate of Adam at the start")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=Path("function_fit.png"))
    return parser.parse_args()


def main() -> None:
    options = parse()
    print(f"seed {options.seed}")
    libgnn.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)

    x = np.sort(random.uniform(0, 5, options.samples))
    y = function(x) + options.noise * random.standard_normal(options.samples)
    grid = np.linspace(0, 5, 500)
    inputs, targets, everywhere = (
        libgnn.tensor(values, dtype=libgnn.float32).unsqueeze(1) for values in (x, y, grid)
    )

    model = nn.Sequential(
        nn.Linear(1, options.hidden),
        nn.Tanh(),
        nn.Linear(options.hidden, options.hidden),
        nn.Tanh(),
        nn.Linear(options.hidden, 1),
    )
    optimizer = libgnn.optim.Adam(model.parameters(), lr=options.lr)
    schedule = libgnn.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)

    shown = sorted(
        {min(options.steps, round(options.steps**part)) for part in np.linspace(0.6, 1, 6)}
    )
    outputs: list[tuple[int, NDArray[np.float32]]] = []
    losses: list[float] = []
    for step in range(1, options.steps + 1):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step in shown:
            with libgnn.no_grad():
                outputs.append((step, model(everywhere).numpy()[:, 0]))
            print(f"step {step}: mean squared error {losses[-1]:.4f}")
    error = float(np.sqrt(np.mean((outputs[-1][1] - function(grid)) ** 2)))
    print(f"distance to the function itself: {error:.3f} (root mean square)")

    figure = Figure(figsize=(13, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    left.scatter(x, y, s=14, color="0.65", label=f"{options.samples} noisy samples", zorder=1)
    left.plot(grid, function(grid), "k--", linewidth=1.2, label="the function", zorder=3)
    for number, (step, output) in enumerate(outputs):
        colour = colormaps["plasma_r"]((number + 1) / len(outputs) * 0.9)
        width = 2.6 if number + 1 == len(outputs) else 1.4
        left.plot(
            grid, output, color=colour, linewidth=width, label=f"after step {step:,}", zorder=2
        )
        right.plot(step, losses[step - 1], "o", color=colour, zorder=3)
    left.set(
        xlabel="x", ylabel="y", title=f"What the network 1-{options.hidden}-{options.hidden}-1 says"
    )
    left.legend(loc="upper left", fontsize=9)
    right.loglog(range(1, len(losses) + 1), losses, color="0.4", linewidth=1)
    if options.noise:
        right.axhline(options.noise**2, color="k", linestyle=":", label="variance of the noise")
        right.legend()
    right.set(xlabel="step", ylabel="mean squared error", title="Training")
    figure.savefig(options.picture, dpi=110)
    print(f"picture: {options.picture.resolve()}")


if __name__ == "__main__":
    main()
