"""What both benchmark scripts need: errors, the machine's name, finding a Python with PyTorch, files."""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BenchmarkError(Exception):
    """One line for the user; the exit status is 1."""


def run_main(main):
    try:
        return main()
    except BenchmarkError as error:
        print(f"dev bench: {error}", file=sys.stderr)
    except BrokenPipeError:  # the reader of the output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("dev bench: interrupted", file=sys.stderr)
        return 130
    return 1


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise BenchmarkError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # bytes that are no UTF-8, too
        raise BenchmarkError(f"{path} is not JSON: {error}") from None


def write_text(path, text):
    try:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"cannot write {path}: {error.strerror}") from None


def write_json(path, content):
    write_text(path, json.dumps(content, indent=1) + "\n")


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    name = " ".join(line.split(":", 1)[1].split())
                    break
            else:
                name = os.uname().machine
            file.seek(0)
            flags = next((line.split() for line in file if line.startswith("flags")), [])
        widest = next((w for w, flag in (("AVX-512", "avx512f"), ("AVX2", "avx2")) if flag in flags), "")
        return name + (f" with {widest}" if widest else "")
    except OSError:
        return os.uname().machine


def cores():
    return len(os.sched_getaffinity(0))


def busy_cores(seconds=1.0):
    """Cores' worth of work that this machine does meanwhile, other programs' when nothing of ours runs."""

    def times():
        with open("/proc/stat", encoding="utf-8") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]  # all; idle and waiting for a disk

    try:
        total, idle = times()
        time.sleep(seconds)
        total, idle = (after - before for after, before in zip(times(), (total, idle)))
    except OSError:
        return None
    return os.cpu_count() * (total - idle) / max(total, 1)


def busy_text(busy):
    if busy is None:
        return "how busy other programs keep the machine is not known"
    return f"before the start other programs kept {busy:.1f} of its cores busy" + (
        ": WALL TIMES MEAN LITTLE" if busy > 0.25 else ""
    )


def today():
    return datetime.date.today().isoformat()


# Prints where Debian's reference BLAS lies if that is what PyTorch multiplies with: about 25 times slower than OpenBLAS,
# it is no opponent. (Its package depends on any BLAS.)
TORCH_CHECK = """
import torch
with open("/proc/self/maps") as maps:
    print(*{line.split()[-1] for line in maps if "/blas/libblas.so" in line})
"""


def find_torch_python():
    """The first Python that has PyTorch, or None: $GNN_TORCH_PYTHON alone where it is set. A BenchmarkError if its matrix
    products are a reference BLAS's."""
    given = os.environ.get("GNN_TORCH_PYTHON")
    candidates = [given] if given else [ROOT / "build/torch/bin/python3", "python3", "/usr/bin/python3"]
    for candidate in candidates:
        try:
            found = subprocess.run(
                [candidate, "-c", TORCH_CHECK],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                check=False,
            )
        except OSError:
            continue
        if found.returncode == 0:
            if found.stdout.strip():
                raise BenchmarkError(
                    f"the PyTorch of {candidate} multiplies matrices by {found.stdout.strip()}, which is no fair opponent: "
                    "apt-get install libopenblas0-pthread (./dev bench train --install-torch does it)"
                )
            return str(candidate)
    if given:
        raise BenchmarkError(f"GNN_TORCH_PYTHON={given}: it has no PyTorch (or is no Python)")
    return None


if __name__ == "__main__":  # tools/bench.bash asks whether PyTorch is there
    sys.exit(run_main(lambda: 0 if find_torch_python() else 1))
