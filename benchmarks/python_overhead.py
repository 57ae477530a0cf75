#!/usr/bin/env python3
"""What a call from Python costs: libgnn's small operations beside PyTorch's, on one thread each.

Tensors are so small that nothing but the call counts. Both libraries take turns in one process, and the
medians of the rounds are compared, so that other programs disturb both alike.

    PYTHONPATH=build/release/python python benchmarks/python_overhead.py
"""

from __future__ import annotations

import argparse
import statistics
import time
import typing

import libgnn

Operation = typing.Callable[[], typing.Any]


def operations(module: typing.Any) -> dict[str, Operation]:
    """The same calls, which libgnn and PyTorch write alike."""
    a, b = module.ones(1), module.ones(1)
    m, n = module.ones(8, 8), module.ones(8, 8)
    x, w = module.ones(4, requires_grad=True), module.ones(4, requires_grad=True)

    def backward() -> None:
        (x * w).sum().backward()

    return {
        "add(a, b)": lambda: module.add(a, b),
        "a + b": lambda: a + b,
        "a + 1": lambda: a + 1,
        "a.add_(b)": lambda: a.add_(b),
        "relu(a)": lambda: module.relu(a),
        "a.exp()": lambda: a.exp(),
        "8x8 @ 8x8": lambda: m @ n,
        "8x8 sum(1)": lambda: m.sum(1),
        "8x8 softmax(1)": lambda: m.softmax(1),
        "8x8 reshape(64)": lambda: m.reshape(64),
        "8x8 [0]": lambda: m[0],
        "zeros(8)": lambda: module.zeros(8),
        "tensor([1.0, 2.0])": lambda: module.tensor([1.0, 2.0]),
        "a.item()": lambda: a.item(),
        "a.shape": lambda: a.shape,
        "a.detach()": lambda: a.detach(),
        "a.numpy()": lambda: a.numpy(),
        "x * w, recorded": lambda: x * w,
        "(x * w).sum().backward()": backward,
    }


def nanoseconds(operation: Operation, calls: int) -> float:
    start = time.perf_counter_ns()
    for _ in range(calls):
        operation()
    return (time.perf_counter_ns() - start) / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--calls", type=int, default=1000, help="calls per round")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    libgnn.set_num_threads(1)
    ours, theirs = operations(libgnn), operations(torch)
    print(f"{'':26} {'libgnn':>9} {'PyTorch':>9} {'ratio':>7}   (ns per call; below 1: libgnn is faster)")
    slower = []
    for name in ours:
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(arguments.rounds):
            for operation, measured in zip((ours[name], theirs[name]), times):
                measured.append(nanoseconds(operation, arguments.calls))
        mine, other = statistics.median(times[0]), statistics.median(times[1])
        print(f"{name:26} {mine:9.0f} {other:9.0f} {mine / other:7.2f}", flush=True)
        if mine > other:
            slower.append(name)
    print("slower than PyTorch:", ", ".join(slower) or "none")


if __name__ == "__main__":
    main()
