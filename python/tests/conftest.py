"""Fixtures of all tests of the Python package."""

from __future__ import annotations

import os
import sys
import types
import zlib

import numpy
import pytest

import libgnn


@pytest.fixture(scope="session")
def torch() -> types.ModuleType:
    """PyTorch, the reference. Skips the test where it is not installed, but never in CI."""
    try:
        import torch as module
    except ImportError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI is set, but PyTorch cannot be imported: {error}")
        pytest.skip(f"PyTorch cannot be imported: {error}")
    return module


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number that is the same in every run of the test; another one with GNN_TEST_SEED=N."""
    value = int(os.environ.get("GNN_TEST_SEED", zlib.crc32(request.node.nodeid.encode())))
    print(f"seed: {value} (GNN_TEST_SEED repeats it)")
    return value


@pytest.fixture
def rng(seed: int) -> numpy.random.Generator:
    """A seeded source of random numbers; what the seed is stands in the output of a failed test."""
    return numpy.random.default_rng(seed)


@pytest.fixture
def device() -> str:
    """The device that GNN_TEST_DEVICE names, else the first of CUDA; skips where there is none."""
    name = os.environ.get("GNN_TEST_DEVICE", "cuda:0")
    if not name.startswith("cuda"):
        pytest.skip(f"GNN_TEST_DEVICE is {name}")
    if not libgnn.cuda.is_available():
        if "GNN_TEST_DEVICE" in os.environ:
            pytest.fail(f"GNN_TEST_DEVICE is {name}, but {libgnn.cuda.reason()}")
        pytest.skip(libgnn.cuda.reason())
    return name


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The number of comparisons with PyTorch per function, where there were any."""
    counts = getattr(sys.modules.get("parity_support"), "COUNTS", {})
    if not counts:
        return
    total = sum(counts.values())
    terminalreporter.section(f"cases per function, compared with PyTorch: {total}")
    for name, count in sorted(counts.items()):
        terminalreporter.write_line(f"{name:24} {count:6}")
