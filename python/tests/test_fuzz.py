"""No call of the extension, with whatever arguments, crashes the interpreter or leaks: see fuzz_bindings.py."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import libgnn

PROGRAMS = int(os.environ.get("GNN_FUZZ_PROGRAMS", 200))


def test_random_calls(tmp_path: pathlib.Path) -> None:
    script = pathlib.Path(__file__).with_name("fuzz_bindings.py")
    log = tmp_path / "calls"
    package = pathlib.Path(libgnn.__file__).parent.parent
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "GNN_LEAK_WARNINGS": "1"}
    # What threads, CUDA's driver and an emulated device reserve would count against the program's memory limit.
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "GNN_EMULATION_DEVICES": "0"}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(script), str(log), str(PROGRAMS)],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
    )
    print(done.stdout)
    last = log.read_text(errors="replace").splitlines()[-1:] if log.exists() else []
    assert done.returncode == 0, f"exit code {done.returncode} after {last}\n{done.stdout}\n{done.stderr}"
    assert "nanobind: leaked" not in done.stderr, done.stderr
    assert "returned" in done.stdout


def test_nothing_is_left_at_exit() -> None:
    """nanobind reports instances, types and functions that outlive the interpreter."""
    program = """
import gc, libgnn, numpy
class Layer:
    def __init__(self):
        self.weight = libgnn.ones(3, requires_grad=True)
        self.handle = self.weight.register_hook(self.look)
    def look(self, grad): return grad
class Twice(libgnn.autograd.Function):
    @staticmethod
    def forward(ctx, x): ctx.save_for_backward(x); return x * 2
    @staticmethod
    def backward(ctx, grad): return grad * 2
layer = Layer()
Twice.apply(layer.weight).sum().backward()
open_tape = (libgnn.ones(3, requires_grad=True) * 2).tanh().sum()
view = libgnn.ones(3).numpy()
shared = libgnn.from_numpy(numpy.ones(3))
kept = memoryview(libgnn.ones(3)), libgnn.ones(3).__dlpack__(), libgnn.device("cpu")
try:
    libgnn.ones(3) + libgnn.ones(4)
except ValueError as error:
    caught = error
"""
    package = pathlib.Path(libgnn.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        env={**os.environ, "PYTHONPATH": str(package), "GNN_LEAK_WARNINGS": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
