"""The Python examples of README.md and docs/python.md run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy
import pytest

import libgnn

ROOT = Path(__file__).resolve().parents[2]


def small_mnist(
    root: str | None = None, train: bool = True, *, download: bool = False
) -> libgnn.utils.data.ImageDataset:
    """In the place of MNIST: noise of its form."""
    random = numpy.random.default_rng(0)
    images = random.integers(0, 256, (1000, 1, 28, 28)).astype(numpy.uint8)
    names = [str(digit) for digit in range(10)]
    return libgnn.utils.data.ImageDataset(images, random.integers(0, 10, 1000), class_names=names)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_examples_run(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not (ROOT / page).exists():
        pytest.skip("the tests are not in a checkout")
    examples = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert examples
    monkeypatch.setattr(libgnn.utils.data, "MNIST", small_mnist)
    monkeypatch.chdir(tmp_path)
    for example in examples:
        names: dict[str, Any] = {"__name__": "example"}
        exec(compile(example, page, "exec"), names)
        model = names["net"] if page == "README.md" else names["model"]
        assert all(parameter.grad is not None for parameter in model.parameters())
    assert page == "README.md" or libgnn.load("lenet.safetensors")["0.weight"].shape == (20, 1, 5, 5)
