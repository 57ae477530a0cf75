"""The package as a whole: what it exports, and what importing it costs."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path

import libgnn


def run(program: str) -> str:
    """What a new interpreter prints for a program."""
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout


def test_all_names_every_public_name() -> None:
    # A list in full, as type checkers read it without running the module.
    public = {name for name in vars(libgnn) if not name.startswith("_") and name != "annotations"}
    unlisted = {
        name
        for name in public - set(libgnn.__all__)
        if not isinstance(getattr(libgnn, name), types.ModuleType)
    }
    assert not unlisted
    assert set(libgnn.__all__) <= public
    assert list(libgnn.__all__) == sorted(libgnn.__all__)


def test_version_is_that_of_the_library() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", libgnn.__version__)


def test_types_are_shipped() -> None:
    folder = Path(libgnn.__file__).parent
    assert (folder / "py.typed").exists()
    assert "class Tensor" in (folder / "_core.pyi").read_text()


def test_import_brings_nothing_large_along() -> None:
    modules = run("import sys, libgnn; print(*sys.modules)").split()
    assert not {"numpy", "tqdm", "matplotlib", "torch"} & set(modules)


def test_import_is_quick() -> None:
    program = (
        "import time; begin = time.process_time(); import libgnn; print(time.process_time() - begin)"
    )
    # Processor time, the least of some: other programs on the machine do not count.
    assert min(float(run(program)) for _ in range(5)) < 0.1
