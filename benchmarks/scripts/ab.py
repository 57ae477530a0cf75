#!/usr/bin/env python3
"""`./dev bench ab`: two builds of libgnn, compared call by call in one process.

Both builds are loaded into this process as modules (benchmarks/ab) and make the same calls in turn, A B, B A, A B …:
whatever else the machine does, its clock frequency and the caches that it shares meet both alike, so that differences
show that are far smaller than those between two runs of ./dev bench. A round's ratio is the processor time of OLD's call
over that of NEW's, and the ratio is the median of the rounds', given with its 95 % confidence interval: NEW is faster
when all of the interval is above 1. (Where code lies in memory alone may make 1 or 2 %.)
"""

import argparse
import ctypes
import math
import re
import statistics
import sys

from common import BenchmarkError, busy_cores, busy_text, run_main

WARM_UP = 2


class Module:
    """A build of libgnn with the calls of benchmarks/ab/calls.cpp."""

    def __init__(self, path, threads):
        try:
            library = ctypes.CDLL(path)
            library.gnn_ab_name.restype = ctypes.c_char_p
            library.gnn_ab_run.restype = ctypes.c_double
            count = library.gnn_ab_begin(threads)
        except (OSError, AttributeError) as error:
            raise BenchmarkError(f"{path} is no module that ./dev bench ab has built: {error}") from None
        self.calls = {library.gnn_ab_name(i).decode(): i for i in range(count)}
        self._run = library.gnn_ab_run

    def run(self, name):
        """Processor seconds of one call."""
        return self._run(self.calls[name])


def alternate(old, new, name, rounds):
    """The processor seconds of both in each round: [(old, new), …]."""
    for module in (old, new) * WARM_UP:
        module.run(name)
    times = []
    for i in range(rounds):
        first, second = (old, new) if i % 2 == 0 else (new, old)
        pair = first.run(name), second.run(name)
        times.append(pair if i % 2 == 0 else pair[::-1])
    return times


def median_interval(values):
    """(median, least, largest) of the 95 % confidence interval: between ranks outside of which the median lies as seldom
    as a fair coin's heads do (normal approximation, to the next rank)."""
    ordered = sorted(values)
    reach = math.ceil(0.98 * math.sqrt(len(ordered)))  # 1.96 · sqrt(n / 4)
    middle = len(ordered) / 2
    low = max(math.floor(middle - reach) - 1, 0)
    high = min(math.ceil(middle + reach), len(ordered) - 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def row(name, times):
    old, new = (statistics.median(side) * 1e3 for side in zip(*times))
    ratio, low, high = median_interval([a / b for a, b in times])
    verdict = "faster" if low > 1 else "slower" if high < 1 else ""
    return f"{name:24} {old:10.3f} {new:10.3f} {ratio:7.3f}   {low:.3f} … {high:.3f}  {verdict}".rstrip()


def read_options(arguments):
    parser = argparse.ArgumentParser(
        prog="./dev bench ab",
        description=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""OLD and NEW are git revisions, a dot for the working tree, or modules that an earlier run built: it says where
they lie, copy build/ab/tree/libgnn_ab.so to compare states of the working tree. Both are built for the CPU, with the
working tree's calls.

examples:
  ./dev bench ab HEAD                       what the changes since the last commit do
  ./dev bench ab v0.9 main --filter lenet
  ./dev bench ab before.so . --filter 'conv2_d' --rounds 500""",
    )
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW", help="by default the working tree (./dev adds it)")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only calls whose name it is found in")
    parser.add_argument("--rounds", type=int, default=100, help="calls of each build (%(default)s; 20 at least)")
    parser.add_argument("--threads", type=int, default=1, help="of each build (%(default)s)")
    options = parser.parse_args(arguments)
    if options.rounds < 20:
        raise BenchmarkError(f"--rounds: expected 20 or more, got {options.rounds}")
    if options.threads < 1:
        raise BenchmarkError(f"--threads: expected 1 or more, got {options.threads}")
    try:
        options.filter = re.compile(options.filter)
    except re.error as error:
        raise BenchmarkError(f"--filter: {error}") from None
    return options


def main(arguments=None):
    options = read_options(arguments)
    busy = busy_cores()
    old, new = (Module(path, options.threads) for path in (options.old, options.new))
    names = [name for name in new.calls if name in old.calls and options.filter.search(name)]
    if not names:
        raise BenchmarkError(f"no call matches; there are {', '.join(new.calls)}")
    print(f"{options.threads} thread(s), {options.rounds} rounds; {busy_text(busy)}")
    print(f"{'':24} {'OLD ms':>10} {'NEW ms':>10} {'OLD/NEW':>7}   95 % interval", flush=True)
    for name in names:
        print(row(name, alternate(old, new, name, options.rounds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
