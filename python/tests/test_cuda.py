"""Tensors on a CUDA device: a GPU, or the emulated one that tests of the CUDA code run on."""

from __future__ import annotations

import numpy as np
import pytest

import libgnn
from libgnn import nn


def test_device_is_described(device: str) -> None:
    assert libgnn.cuda.device_count() >= 1
    assert libgnn.cuda.reason() == ""
    assert libgnn.cuda.get_device_name(0)
    assert libgnn.device(device).type == "cuda"
    assert libgnn.device(device) == libgnn.device("cuda")


def test_tensors_go_to_the_device_and_back(device: str, rng: np.random.Generator) -> None:
    array = rng.standard_normal((3, 5)).astype(np.float32)
    there = libgnn.tensor(array, device=device)
    assert there.is_cuda
    assert there.device == libgnn.device(device)
    np.testing.assert_array_equal(there.cpu().numpy(), array)
    np.testing.assert_array_equal(libgnn.from_numpy(array).to(device).cpu().numpy(), array)
    np.testing.assert_array_equal(libgnn.from_numpy(array).cuda().tolist(), array)
    assert f"device='{device}'" in repr(there)
    assert there[1, 2].item() == array[1, 2]


def test_numpy_refuses_memory_of_the_device(device: str) -> None:
    there = libgnn.ones(2, 3, device=device)
    with pytest.raises(libgnn.DeviceError, match=rf"on {device}; use tensor\.cpu\(\)\.numpy\(\)"):
        there.numpy()
    with pytest.raises(libgnn.DeviceError):
        np.asarray(there)
    with pytest.raises(BufferError):
        memoryview(there)  # type: ignore[arg-type]


def test_operands_must_be_on_one_device(device: str) -> None:
    with pytest.raises(libgnn.DeviceError, match="cpu"):
        libgnn.ones(2, device=device) + libgnn.ones(2)


def test_results_and_gradients_are_those_of_the_cpu(device: str, rng: np.random.Generator) -> None:
    x = libgnn.tensor(rng.standard_normal((2, 3, 6, 6)), dtype=libgnn.float64)
    weight = libgnn.tensor(rng.standard_normal((4, 3, 3, 3)), dtype=libgnn.float64)
    results = []
    for place in ("cpu", device):
        inputs = [t.detach().to(place).requires_grad_() for t in (x, weight)]
        y = nn.functional.conv2d(*inputs, padding=1).relu().sum()
        y.backward()
        assert all(t.grad is not None and t.grad.device == libgnn.device(place) for t in inputs)
        results.append([y.item(), *(t.grad.cpu().numpy() for t in inputs if t.grad is not None)])
    for expected, got in zip(*results):
        # Sums of up to 27 products of numbers near 1, in another order.
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_dlpack_between_tensors_shares_memory(device: str) -> None:
    first = libgnn.arange(6.0, device=device)
    assert first.__dlpack_device__() == (2, 0)
    second = libgnn.from_dlpack(first)
    assert second.device == first.device
    assert second.data_ptr() == first.data_ptr()
    first.fill_(7)
    assert second.tolist() == [7.0] * 6
    del first
    assert second.sum().item() == 42


def test_memory_is_counted(device: str) -> None:
    libgnn.cuda.synchronize()
    before = libgnn.cuda.memory_stats(device)
    held = libgnn.zeros(1024, 256, device=device)
    libgnn.cuda.synchronize(device)
    assert libgnn.cuda.memory_allocated(device) >= before["allocated_bytes"] + held.nbytes
    assert libgnn.cuda.max_memory_allocated(device) >= libgnn.cuda.memory_allocated(device)
    del held
    assert libgnn.cuda.memory_allocated(device) == before["allocated_bytes"]
    libgnn.cuda.empty_cache(device)
    assert libgnn.cuda.memory_stats(device)["reserved_bytes"] <= before["reserved_bytes"]
    libgnn.cuda.reset_peak_memory_stats(device)
    assert libgnn.cuda.max_memory_allocated(device) == libgnn.cuda.memory_allocated(device)


def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(libgnn.DeviceError):
        libgnn.zeros(1, device=f"cuda:{libgnn.cuda.device_count()}")
