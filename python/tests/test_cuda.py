"""Tensors on a CUDA device: a GPU, or the emulated one that tests of the CUDA code run on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import libgnn
from libgnn import nn
from libgnn.utils.data import DataLoader, ImageDataset, Subset, TensorDataset


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


def test_training_steps_are_those_of_the_cpu(device: str) -> None:
    losses: dict[str, list[float]] = {}
    for place in ("cpu", device):
        libgnn.manual_seed(3)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10)
        ).to(place)
        images = libgnn.randn(8, 1, 8, 8, device=place)
        labels = libgnn.tensor([0, 1, 2, 3, 4, 5, 6, 7], device=place)
        optimizer = libgnn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        losses[place] = []
        for _ in range(12):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            losses[place].append(loss.item())
        assert all(p.is_cuda == (place != "cpu") for p in model.parameters())
    assert losses["cpu"][-1] < losses["cpu"][0] / 2
    np.testing.assert_allclose(losses[device], losses["cpu"], rtol=1e-4)


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


def image_data() -> ImageDataset:
    """Two kinds of small images, 40 of them."""
    rng = np.random.default_rng(1)
    labels = np.arange(40) % 2
    images = rng.integers(0, 120, (40, 1, 6, 6)) + 100 * labels[:, None, None, None]
    return ImageDataset(images.astype(np.uint8), labels)


def image_net() -> nn.Sequential:
    libgnn.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


def test_captured_training_is_the_same_as_step_by_step(device: str) -> None:
    results = []
    for capture in (True, False):
        model = image_net().to(device)
        optimizer = libgnn.optim.Adam(model.parameters(), lr=0.01)
        schedule = libgnn.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        loader = DataLoader(image_data(), 8, shuffle=True, device=device)
        history = libgnn.Trainer(model, optimizer).fit(
            loader,
            epochs=3,
            validation=loader,
            schedule=schedule,
            schedule_every_step=True,
            capture=capture,
            progress=False,
        )
        assert history.captured_steps == (14 if capture else 0), history.capture_reason
        results.append((libgnn.sha256(model), [epoch.train_loss for epoch in history.epochs]))
        assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    assert results[0] == results[1]


def test_what_cannot_be_captured_is_named_and_trained_anyway(device: str) -> None:
    model = image_net().to(device)
    optimizer = libgnn.optim.SGD(model.parameters(), lr=0.01)
    losses = []

    def loss(outputs: libgnn.Tensor, labels: libgnn.Tensor) -> libgnn.Tensor:
        value = nn.functional.cross_entropy(outputs, labels)
        losses.append(value.item())  # waits for the device
        return value

    history = libgnn.Trainer(model, optimizer, loss).fit(
        DataLoader(image_data(), 8, device=device), epochs=2, progress=False
    )
    assert (history.steps, history.captured_steps, len(losses)) == (10, 0, 10)
    assert history.capture_reason.startswith("item cannot be part of a captured step")


def test_batches_of_every_kind_of_data_set_are_on_the_device(device: str) -> None:
    data = image_data()
    inputs, labels = next(iter(DataLoader(data, 40)))
    pairs = list(zip(data.images.float(), data.labels.tolist()))
    for dataset in (data, TensorDataset(inputs, labels), Subset(data, range(40)), pairs):
        batches = list(DataLoader(dataset, 16, device=device))
        assert [x.shape[0] for x, _ in batches] == [16, 16, 8]
        assert all(x.is_cuda and y.is_cuda for x, y in batches)
        got = np.concatenate([x.cpu().numpy() for x, _ in batches])
        want = data.images.float() if dataset is pairs else inputs
        np.testing.assert_array_equal(got, want.numpy())


def test_files_hold_tensors_of_the_device(device: str, tmp_path: Path) -> None:
    libgnn.save({"x": libgnn.arange(3.0, device=device)}, tmp_path / "x")
    there = libgnn.load(tmp_path / "x", device)["x"]
    assert there.is_cuda and there.tolist() == [0, 1, 2]


def test_ctrl_c_while_a_step_is_captured_ends_the_fit(device: str) -> None:
    class Interrupted(nn.Flatten):
        calls = 0

        def forward(self, input: libgnn.Tensor) -> libgnn.Tensor:
            self.calls += 1
            if self.calls == 2:  # the first warms up, this one is recorded
                raise KeyboardInterrupt
            return super().forward(input)

    flatten = Interrupted()
    model = nn.Sequential(flatten, nn.Linear(36, 2)).to(device)
    loader = DataLoader(image_data(), 8, device=device)
    trainer = libgnn.Trainer(model, libgnn.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(loader, progress=False)
    assert flatten.calls == 2
    history = trainer.fit(loader, progress=False)
    assert (history.steps, history.captured_steps) == (5, 4), history.capture_reason
