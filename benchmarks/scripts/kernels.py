#!/usr/bin/env python3
"""`./dev bench`: runs gnn_bench, puts its figures into a table, compares, draws.

Google Benchmark measures and repeats (gnn_bench writes its JSON); what is derived from that is done here, in Python's
standard library, because text, JSON and HTML are short there and need neither a build nor the machine that measured.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import page
import records
import table
import verdict
from common import (
    ROOT,
    BenchmarkError,
    busy_cores,
    cores,
    find_torch_python,
    processor,
    read_json,
    run_main,
    today,
    write_json,
    write_text,
)

DTYPES = {"float32": "/float32/", "float64": "/float64/", "all": ""}
DEVICES = {"all": None, "cpu": "cpu", "cuda": "cuda:0"}


def read_options(arguments):
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measures the kernels: time, bytes, operations, share of this machine's roofline (measured in the "
        "same run), and the ratio to OpenBLAS, oneDNN and PyTorch where they are found. Every result is "
        "checked first. ./dev bench train compares training with PyTorch's.",
    )
    parser.add_argument(
        "--filter", metavar="REGEX", default="", help="benchmarks OP/CASE/DTYPE/DEVICE/DIRECTION/CACHE that match"
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="default: float32")
    parser.add_argument(
        "--device", choices=DEVICES, default="all", help="default: the CPU, and cuda:0 where it is there"
    )
    parser.add_argument("--threads", type=int, help="of the CPU's kernels and peers (default: all cores)")
    parser.add_argument("--repetitions", type=int, default=5, help="default: 5, the least that can show a difference")
    parser.add_argument(
        "--min-time", type=float, default=0.05, metavar="S", help="seconds of a repetition (default: 0.05)"
    )
    parser.add_argument("--no-torch", action="store_true", help="without PyTorch, even where it is found")
    parser.add_argument("--list", action="store_true", help="print the names only")
    parser.add_argument("--from", dest="source", metavar="FILE", help="do not measure: take what --json wrote")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--html", metavar="FILE", help="write a page with the table and a roofline plot")
    parser.add_argument("--compare", metavar="FILE", help="compare with what --json wrote before")
    parser.add_argument("--program", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        re.compile(options.filter)
    except re.error as error:
        raise BenchmarkError(f"--filter {options.filter}: not a regular expression: {error}") from None
    for name in ("repetitions", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise BenchmarkError(f"--{name}: expected at least 1, got {value}")
    if not options.min_time > 0:
        raise BenchmarkError(f"--min-time: expected a positive number of seconds, got {options.min_time}")
    if options.source and options.filter:
        raise BenchmarkError("--from shows a whole file: --filter is for measuring")
    return options


def gpu_clocks():
    """As they are; nothing is changed."""
    query = "--query-gpu=clocks.sm,clocks.max.sm,clocks.mem,temperature.gpu"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    sm, most, memory, celsius = (answer.stdout.splitlines()[0].split(", ") + [""] * 4)[:4]
    return f"SM {sm} of {most}, memory {memory}, {celsius} °C"


def environment(options):
    changed = dict(os.environ)
    threads = str(options.threads or cores())
    changed.update(OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    if DEVICES[options.device]:
        changed["GNN_TEST_DEVICE"] = DEVICES[options.device]
    return changed


def run_program(options, *arguments, each_line=lambda line: None):
    """Its output's lines."""
    try:
        process = subprocess.Popen(
            [options.program, *arguments], stdout=subprocess.PIPE, text=True, env=environment(options)
        )
    except OSError as error:
        raise BenchmarkError(f"cannot start {options.program}: {error.strerror}") from None
    lines = []
    with process:
        for line in process.stdout:
            lines.append(line)
            each_line(line)
    if process.returncode != 0:
        raise BenchmarkError(f"{pathlib.Path(options.program).name} ended with status {process.returncode}")
    return lines


class Progress:
    """On a terminal: how many benchmarks have begun to report."""

    def __init__(self, total):
        self.total, self.seen = total, set()

    def __call__(self, line):
        name = records.SUFFIX.sub("", line.split(" ")[0])
        if name.count("/") < 4 or name in self.seen or not sys.stderr.isatty():
            return
        self.seen.add(name)
        end = "\n" if len(self.seen) >= self.total else ""
        print(f"\r[{len(self.seen)}/{self.total}] {name:<90.90}", end=end, file=sys.stderr, flush=True)


def chosen_names(options):
    """What there is, and what --filter and --dtype leave of it. A case that has one dtype only always stays."""
    names = [records.SUFFIX.sub("", name) for name in map(str.strip, run_program(options, "--benchmark_list_tests"))]
    widths = {}  # OP/CASE: its dtypes
    for name in names:
        op, case, dtype = name.split("/")[:3]
        widths.setdefault((op, case), set()).add(dtype)

    def is_chosen(name):
        op, case = name.split("/")[:2]
        wanted = DTYPES[options.dtype] in name or len(widths[op, case]) == 1
        return op != "roofline" and wanted and re.search(options.filter, name)

    return [name for name in names if is_chosen(name)]


def pattern(names):
    """For Google Benchmark (POSIX extended): exactly these, whatever it appends to them, and the roofline."""
    quoted = (re.sub(r"([].[()*+?{}|^$\\])", r"\\\1", name) for name in names)
    return "^roofline/|^(" + "|".join(quoted) + ")(/iterations:[0-9]+)?/manual_time$"


def measure(options):
    names = chosen_names(options)
    if not names:
        raise BenchmarkError(f"--filter {options.filter}: no benchmark has such a name; ./dev bench --list prints them")
    if options.list:
        print("\n".join(names))
        return None
    machine = {
        "processor": processor(),
        "cores": cores(),
        "busy_cores": busy_cores(),
        "date": today(),
        "gpu_clocks": gpu_clocks(),
    }
    print(f"Measuring {len(names)} benchmarks; each result is checked first …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="gnn-bench-") as folder:
        out = pathlib.Path(folder, "out.json")
        run_program(
            options,
            f"--benchmark_filter={pattern(names)}",
            f"--benchmark_repetitions={options.repetitions}",
            f"--benchmark_min_time={options.min_time}",
            f"--benchmark_out={out}",
            "--benchmark_out_format=json",
            "--benchmark_color=false",
            each_line=Progress(len(names)),
        )
        report = records.records_of(read_json(out))
    report["machine"] = machine
    if not options.no_torch:
        add_torch(options, report)
    return report


def add_torch(options, report):
    python = find_torch_python()
    if python is None:
        print("No Python with PyTorch was found (GNN_TORCH_PYTHON names one): no comparison with it.", file=sys.stderr)
        return
    script = ROOT / "benchmarks/torch_bench.py"
    for device in sorted({record["device"] for record in report["results"]}):
        wanted = sorted({r["name"].rsplit("/", 1)[0] for r in report["results"] if r["device"] == device})
        print(f"Measuring PyTorch on {device} …", file=sys.stderr)
        done = subprocess.run(
            [python, script, device, "--threads", str(options.threads or cores()), "--names-from", "-"],
            input="\n".join(wanted),
            stdout=subprocess.PIPE,
            text=True,
            env=environment(options),
            check=False,
        )
        if done.returncode != 0:
            print(f"torch_bench.py ended with status {done.returncode} on {device}", file=sys.stderr)
        records.add_torch(report, done.stdout.splitlines())


def main(arguments=None):
    options = read_options(arguments)
    before = records.check_report(read_json(options.compare), options.compare) if options.compare else None
    if options.source:
        report = records.check_report(read_json(options.source), options.source)
    else:
        report = measure(options)
        if report is None:
            return 0
    print("\n".join(table.heading_lines(report)), end="\n\n")
    print(table.results_text(report), end="\n\n")
    print(table.LEGEND)
    compared = verdict.compare(before, report) if before else None
    if compared:
        print(f"\nAgainst {options.compare}:\n\n{table.comparison_text(*compared)}")
    if options.json:
        write_json(options.json, report)
    if options.html:
        write_text(options.html, page.html(report, compared))
    if report["errors"]:
        for name, message in report["errors"].items():
            print(f"{name}: {message}", file=sys.stderr)
        raise BenchmarkError(f"{len(report['errors'])} benchmark(s) failed: {', '.join(report['errors'])}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
