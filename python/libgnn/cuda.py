"""CUDA devices: whether there are any, and their memory.

    >>> import libgnn
    >>> libgnn.cuda.is_available() or libgnn.cuda.reason() != ""
    True
"""

from __future__ import annotations

from libgnn import _core
from libgnn._core import device as _device

__all__ = [
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "max_memory_allocated",
    "memory_allocated",
    "memory_stats",
    "reason",
    "reset_peak_memory_stats",
    "synchronize",
]


def is_available() -> bool:
    """True when this build of libgnn can use a CUDA device on this machine."""
    return _core.cuda_is_available()


def reason() -> str:
    """Why is_available() is False, and what to do about it; empty when it is True."""
    return _core.cuda_unavailable_reason()


def device_count() -> int:
    """Number of usable CUDA devices; 0 when there is none."""
    return _core.cuda_device_count()


def get_device_name(device: int = 0) -> str:
    """For example "NVIDIA H100 80GB HBM3 (sm_90)". Raises DeviceError out of range."""
    return _core.cuda_device_name(device)


def synchronize(device: _device | str = "cuda") -> None:
    """Waits until all work on the device is done. Raises DeviceError where there is no CUDA device."""
    _core.synchronize(device)


def memory_stats(device: _device | str = "cuda") -> dict[str, int]:
    """The allocator's statistics; also of the CPU: memory_stats("cpu").

    Returns:
        allocated_bytes (in live tensors, after rounding), reserved_bytes (held from the driver),
        peak_allocated_bytes and peak_reserved_bytes (since reset_peak_memory_stats()), allocations,
        driver_allocations and driver_frees (counts so far).
    """
    return _core.memory_stats(device)


def memory_allocated(device: _device | str = "cuda") -> int:
    """Bytes in live tensors."""
    return memory_stats(device)["allocated_bytes"]


def max_memory_allocated(device: _device | str = "cuda") -> int:
    """The most bytes in live tensors since reset_peak_memory_stats()."""
    return memory_stats(device)["peak_allocated_bytes"]


def reset_peak_memory_stats(device: _device | str = "cuda") -> None:
    """Restarts the peaks at the present values."""
    _core.reset_peak_memory_stats(device)


def empty_cache(device: _device | str = "cuda") -> None:
    """Returns memory that no tensor uses to the driver."""
    _core.empty_cache(device)
