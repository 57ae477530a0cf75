#!/usr/bin/env python3
"""`./dev bench train`: libgnn and PyTorch side by side.

Two or three long-lived processes per configuration (libgnn, PyTorch, and for nets with convolutions PyTorch with
channels_last) get the same data, initial weights, hyper-parameters and number of threads, and must compute the same
losses. Then they run in turn, A B C A B C …: what else the machine does meets all of them alike. A round's ratio is
libgnn's images/s over PyTorch's; the ratio is the median of the rounds', given with the least and the largest.
"""

import argparse
import itertools
import math
import pathlib
import statistics
import sys
import tempfile

import training_facts
import training_report
from common import BenchmarkError, cores, find_torch_python, run_main, write_json, write_text
from workers import Worker

# Net and batch sizes, in the order of the table.
NETS = {"lenet": (64, 128), "lenet5": (64,), "mlp": (64, 512), "cifar": (128,)}
CONVOLUTIONAL = ("lenet", "lenet5", "cifar")
CHECKED_STEPS = 5
# Relative difference of losses: float32 sums in another order differ by about 1e-6 after 5 steps, another formula by
# far more.
LOSS_TOLERANCE = 1e-4
COMMAND = {"train": "steps", "inference": "infer"}

HINT = (
    "there is no Python with PyTorch: ./dev bench train --install-torch installs it, or name one that has it: "
    "GNN_TORCH_PYTHON=/path/to/python3"
)


class Programs:
    """How to start the halves."""

    def __init__(self, program, python):
        self.program = program
        self.python = python
        self.script = pathlib.Path(__file__).resolve().parents[1] / "torch_train.py"

    def libgnn(self, threads, *options):
        return Worker([self.program, "--threads", threads, *options], threads, "gnn_train_bench")

    def torch(self, threads, *options):
        return Worker([self.python, self.script, "--threads", threads, *options], threads, "torch_train.py")


def check_losses(libgnn, other, what):
    """Both compute the same thing, or there is nothing to compare."""
    ours, theirs = (worker.tell("losses", CHECKED_STEPS) for worker in (libgnn, other))
    for kind in ("losses", "inference_losses"):
        if not len(ours[kind]) == len(theirs[kind]) == CHECKED_STEPS:
            raise BenchmarkError(f"{what}: expected {CHECKED_STEPS} {kind}, got {ours[kind]} and {theirs[kind]}")
        for step, (a, b) in enumerate(zip(ours[kind], theirs[kind])):
            if not abs(a - b) <= LOSS_TOLERANCE * abs(b):  # NaN fails
                raise BenchmarkError(
                    f"{what}: the two do not compute the same: {kind.replace('_', ' ')} of step {step}: "
                    f"libgnn {a}, PyTorch {b}"
                )


def check_net(programs, net, batch, threads, layouts, folder):
    """With dropout off: its random numbers differ."""
    options = ("--net", net, "--batch", batch, "--batches", CHECKED_STEPS, "--dropout", 0)
    weights = pathlib.Path(folder, "checked.safetensors")
    with programs.libgnn(threads, *options) as libgnn:
        libgnn.tell("save", weights)
        for layout in layouts:
            with programs.torch(threads, *options, *layout_options(layout)) as other:
                other.tell("load", weights)
                check_losses(libgnn, other, f"{net}, batch {batch}, {layout}")


def layout_options(layout):
    return ("--channels-last",) if layout == "channels_last" else ()


def steps_for(workers, command, seconds):
    """Steps of a round, the same for all: the fastest takes `seconds`. Warms up."""
    count = 2
    while True:
        fastest = min(worker.tell(command, count)["wall"] for worker in workers)
        if fastest >= seconds / 4 or count >= 1 << 16:
            return max(2, math.ceil(count * seconds / fastest))
        count = math.ceil(count * min(8, max(2, seconds / 3 / max(fastest, 1e-6))))


def summarise(rounds, images, clock):
    """Records of a layout: rounds are pairs of answers, libgnn's and PyTorch's."""
    ours = [images / a[clock] for a, _ in rounds]
    theirs = [images / b[clock] for _, b in rounds]
    ratios = [a / b for a, b in zip(ours, theirs)]
    return {
        "libgnn_images_per_second": statistics.median(ours),
        "pytorch_images_per_second": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def measure(programs, net, batch, threads, options, folder):
    """Yields records of both modes."""
    layouts = ("default", "channels_last") if net in CONVOLUTIONAL else ("default",)
    check_net(programs, net, batch, threads, layouts, folder)
    arguments = ("--net", net, "--batch", batch)
    weights = pathlib.Path(folder, "weights.safetensors")
    with programs.libgnn(threads, *arguments) as libgnn:
        libgnn.tell("save", weights)
        others = []
        try:
            for layout in layouts:
                others.append(programs.torch(threads, *arguments, *layout_options(layout)))
                others[-1].tell("load", weights)
            workers = [libgnn, *others]
            for mode in ("train", "inference"):
                count = steps_for(workers, COMMAND[mode], options.seconds)
                rounds = [[w.tell(COMMAND[mode], count) for w in workers] for _ in range(options.rounds)]
                for (index, layout), clock in itertools.product(
                    enumerate(layouts, 1), ("wall", "cpu") if threads == 1 else ("wall",)
                ):
                    yield {
                        "net": net,
                        "batch": batch,
                        "threads": threads,
                        "mode": mode,
                        "layout": layout,
                        "clock": clock,
                        **summarise([(r[0], r[index]) for r in rounds], count * batch, clock),
                        "rounds": options.rounds,
                        "steps_per_round": count,
                        "libgnn_peak_memory": rounds[-1][0]["peak_memory"],
                        "pytorch_peak_memory": rounds[-1][index]["peak_memory"],
                    }
        finally:
            for worker in others:
                worker.close()


def read_options(arguments=None):
    parser = argparse.ArgumentParser(
        prog="./dev bench train",
        description="Trains and runs networks with libgnn and with PyTorch in turn, on the same data and threads, and "
        "compares. PyTorch's Python is $GNN_TORCH_PYTHON, or the first that has it.",
    )
    parser.add_argument("--net", choices=NETS, action="append", help="only this one (may be repeated)")
    parser.add_argument("--threads", type=int, action="append", help="only so many (default: 1, and all cores)")
    parser.add_argument("--rounds", type=int, help="how often each runs (at least 5; default 7)")
    parser.add_argument("--quick", action="store_true", help="short rounds, 5 of them; no MNIST")
    parser.add_argument("--accuracy", action="store_true", help="also time to 98 %% and 99 %% on MNIST (minutes)")
    parser.add_argument("--json", metavar="FILE", help="write the ratios: a list of records")
    parser.add_argument("--facts", metavar="FILE", help="write the rest (machine, memory, start, sizes) as JSON")
    parser.add_argument("--picture", metavar="FILE.svg", help="write the ratios as bars")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--install-torch", action="store_true", help="install PyTorch first where there is none")
    parser.add_argument("--program", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--library", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.rounds is None:
        options.rounds = 5 if options.quick else 7
    if options.rounds < 5:
        parser.error(f"--rounds: expected at least 5, got {options.rounds}")
    if any(t < 1 for t in options.threads or ()):
        parser.error("--threads: expected at least 1")
    options.seconds = 0.1 if options.quick else 0.5
    options.threads = options.threads or sorted({1, cores()})
    return options


def main(arguments=None):
    options = read_options(arguments)
    python = find_torch_python()
    if python is None:
        raise BenchmarkError(HINT)
    programs = Programs(options.program, python)
    facts = training_facts.describe(programs, options)
    print(training_report.heading(facts))
    records = []
    with tempfile.TemporaryDirectory(prefix="gnn-train-") as folder:
        for net in options.net or NETS:
            for batch, threads in itertools.product(NETS[net], options.threads):
                for record in measure(programs, net, batch, threads, options, folder):
                    print(training_report.line(record), flush=True)
                    records.append(record)
    if options.accuracy or not options.quick:
        training_facts.add_mnist(facts, programs, options)
    print(training_report.facts_text(facts))
    if options.json:
        write_json(options.json, records)
    if options.facts:
        write_json(options.facts, facts)
    if options.picture:
        write_text(options.picture, training_report.picture(records, facts))
    if options.readme:
        training_report.update_readme(records, facts)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
