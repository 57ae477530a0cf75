"""Every public function and layer has parity tests."""

from __future__ import annotations

import pathlib
import re
import types
import typing

import libgnn

# Without a counterpart in PyTorch, or without numbers to compare; each has tests of its own.
WITHOUT_NUMBERS = {
    "set_num_threads get_num_threads manual_seed initial_seed get_rng_state set_rng_state",
    "set_float32_matmul_precision get_float32_matmul_precision set_conv2d_algorithm is_grad_enabled",
    "from_numpy from_dlpack no_grad enable_grad set_grad_enabled save load save_file load_file summary",
    "chain Module Parameter load_metadata sha256 training_picture write_training_picture",
}
EXEMPT = set(" ".join(WITHOUT_NUMBERS).split())


def public(module: types.ModuleType) -> typing.Iterator[str]:
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, (types.ModuleType, libgnn.dtype)):
            continue
        if isinstance(value, type) and not issubclass(value, libgnn.nn.Module):
            continue  # exceptions, Tensor, device, data sets
        if callable(value) and name not in EXEMPT:
            yield name


def test_every_public_function_and_layer_is_compared_with_pytorch() -> None:
    text = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("test_parity_*.py"))
    named = set(re.findall(r'"(?:nn\.)?([A-Za-z_0-9]+)"', text))
    expected = {*public(libgnn), *public(libgnn.nn), *public(libgnn.nn.functional)}
    assert len(expected) > 70
    assert expected - named == set(), "public, but not compared with PyTorch"
