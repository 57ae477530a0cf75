"""libgnn.utils.data.DataLoader: batches, order, errors, threads, lifetimes."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import weakref
from typing import Any

import numpy
import pytest
from processes import started
from samples import Failing, Given, Numbers, Unlucky, labels_of

import libgnn
from libgnn.utils.data import DataLoader, Dataset, TensorDataset

PREFETCH = [0, 1, 3]


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_batches_of_a_python_data_set(prefetch: int) -> None:
    data = Numbers(5)
    loader = DataLoader(data, batch_size=2, prefetch=prefetch)
    assert len(loader) == 3
    assert loader.samples == 5
    batches = list(loader)
    assert [x.tolist() for x, _ in batches] == [
        [[0, 0.5], [1, 1.5]],
        [[2, 2.5], [3, 3.5]],
        [[4, 4.5]],
    ]
    assert [y.tolist() for _, y in batches] == [[0, 10], [20, 30], [40]]
    assert [(x.dtype, y.dtype) for x, y in batches] == [(libgnn.float32, libgnn.int64)] * 3
    assert data.asked == [0, 0, 1, 2, 3, 4]  # the first tells shapes and dtypes
    assert (data.threads == {threading.get_ident()}) == (prefetch == 0)


@pytest.mark.parametrize(
    ("sample", "dtype", "shape"),
    [
        (1, libgnn.int64, ()),
        (0.5, libgnn.float32, ()),
        (True, libgnn.uint8, ()),
        ([1, 2], libgnn.int64, (2,)),
        ([[0.5]], libgnn.float32, (1, 1)),
        (numpy.float64(0.5), libgnn.float64, ()),
        (numpy.int64(3), libgnn.int64, ()),
        (numpy.ones((2, 3), numpy.uint8), libgnn.uint8, (2, 3)),
        (numpy.ones((2, 3), numpy.float64).T, libgnn.float64, (3, 2)),
        (numpy.ones((0, 3), numpy.float16), libgnn.float16, (0, 3)),
        (libgnn.ones(2, dtype=libgnn.bfloat16), libgnn.bfloat16, (2,)),
        (libgnn.ones(2, requires_grad=True), libgnn.float32, (2,)),
    ],
)
def test_what_a_sample_may_be(sample: Any, dtype: libgnn.dtype, shape: tuple[int, ...]) -> None:
    for position, pair in ((0, (sample, 7)), (1, (7, sample)), (0, [sample, 7])):
        batch = next(iter(DataLoader(Given(pair, pair), batch_size=2)))[position]
        assert (batch.dtype, batch.shape) == (dtype, (2, *shape))
        assert not batch.requires_grad
        want = numpy.asarray(libgnn.as_tensor(sample).detach().float().numpy())
        assert numpy.array_equal(batch.float().numpy(), numpy.stack([want, want]))


def test_values_are_pytorchs(torch: Any) -> None:
    """The same batches as torch.utils.data.DataLoader's, dtypes included."""
    samples = [(numpy.full((2, 2), i, numpy.float32), i % 3) for i in range(7)]
    for drop_last in (False, True):
        ours = list(DataLoader(samples, 3, drop_last=drop_last))
        theirs = list(torch.utils.data.DataLoader(samples, 3, drop_last=drop_last))
        assert len(ours) == len(theirs)
        for (x, y), (u, v) in zip(ours, theirs):
            assert numpy.array_equal(x.numpy(), u.numpy())
            assert numpy.array_equal(y.numpy(), v.numpy())
            assert x.numpy().dtype == u.numpy().dtype
            assert y.numpy().dtype == v.numpy().dtype


def test_any_sequence_is_a_data_set() -> None:
    loader = DataLoader([(0.5, 1), (1.5, 2)], batch_size=2)
    assert labels_of(loader) == [[1, 2]]


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_the_order_depends_on_seed_and_epoch(prefetch: int) -> None:
    def epochs(seed: int, count: int) -> list[list[list[Any]]]:
        loader = DataLoader(Numbers(20), 6, shuffle=True, seed=seed, prefetch=prefetch)
        return [labels_of(loader) for _ in range(count)]

    first = epochs(3, 3)
    assert first == epochs(3, 3)
    assert first != epochs(4, 3)
    assert first[0] != first[1]
    for epoch in first:
        assert sorted(sum(epoch, [])) == [10 * i for i in range(20)]
    loader = DataLoader(Numbers(20), 6, shuffle=True, seed=3, prefetch=prefetch)
    loader.set_epoch(2)
    assert labels_of(loader) == first[2]
    loader.set_epoch(0)
    assert labels_of(loader) == first[0]
    with pytest.raises(ValueError):
        loader.set_epoch(-1)


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_batches_stay_when_the_loop_moves_on(prefetch: int) -> None:
    for data in (Numbers(64), TensorDataset(libgnn.arange(64.0), libgnn.arange(64))):
        loader = DataLoader(data, 4, prefetch=prefetch)
        kept = list(loader)
        copies = [(x.numpy().copy(), y.numpy().copy()) for x, y in kept]
        for _ in range(3):
            for x, y in loader:
                x.fill_(-1)
                y.fill_(-1)
        gc.collect()
        for (x, y), (u, v) in zip(kept, copies):
            assert numpy.array_equal(x.numpy(), u) and numpy.array_equal(y.numpy(), v)


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_a_loop_may_be_left(prefetch: int) -> None:
    loader = DataLoader(Numbers(40), 4, prefetch=prefetch)
    for _ in range(3):
        for _, labels in loader:
            assert labels.tolist() == [0, 10, 20, 30]
            break
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    with pytest.raises(ValueError, match="one loop at a time"):
        next(old)
    assert len(list(new)) == 9
    with pytest.raises(StopIteration):
        next(new)


def test_the_loop_keeps_its_loader_and_the_loader_its_data() -> None:
    data = Numbers(8)
    reference = weakref.ref(data)
    loop = iter(DataLoader(data, 2))
    del data
    gc.collect()
    assert reference() is not None
    assert len(list(loop)) == 4
    del loop
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_exceptions_of_a_data_set_arrive_as_themselves(prefetch: int) -> None:
    loader = DataLoader(Failing(20), 2, prefetch=prefetch)
    for _ in range(2):
        seen = []
        with pytest.raises(Unlucky, match="sample 5") as caught:
            for _, labels in loader:
                seen.append(labels.tolist())
        assert seen == [[0, 10], [20, 30]]
        assert any(entry.name == "__getitem__" for entry in caught.traceback)


@pytest.mark.parametrize("prefetch", PREFETCH)
def test_a_data_set_may_have_a_loader_of_its_own(prefetch: int) -> None:
    class Owner(Numbers):
        def __init__(self) -> None:
            super().__init__(8)
            self.loader = DataLoader(self, 2, prefetch=prefetch)
            self.loop = iter(self.loader)

    owner = Owner()
    assert len(list(owner.loop)) == 4
    owner.loop = iter(owner.loader)
    reference = weakref.ref(owner)
    del owner
    gc.collect()
    assert reference() is None


USES_ITS_LOADER = """
from libgnn.utils.data import DataLoader

class Numbers:
    def __len__(self):
        return 4
    def __getitem__(self, index):
        if index == 3:
            {use}
        return float(index), index

loader = DataLoader(Numbers(), 2, prefetch={prefetch})
loop = iter(loader)
next(loop)
next(loop)
"""


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("use", ["list(loader)", "next(loop)"])
def test_a_data_set_cannot_wait_for_the_loader_that_waits_for_it(prefetch: int, use: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", USES_ITS_LOADER.format(prefetch=prefetch, use=use)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Error: DataLoader: the data set uses the loader that is waiting" in done.stderr


def test_dropped_exceptions_do_no_harm() -> None:
    loader = DataLoader(Failing(20), 2, prefetch=3)
    next(iter(loader))
    del loader
    gc.collect()


@pytest.mark.parametrize("prefetch", PREFETCH)
@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (([1.0, 2.0, 3.0], 1), ValueError, r"inputs of shape \[2\].*got \[3\] of dataset\[1\]"),
        ((1.0, 1), ValueError, r"inputs of shape \[2\].*got \[\] of dataset\[1\]"),
        (([1.0, 2.0], [1]), ValueError, r"labels of shape \[\].*got \[1\] of dataset\[1\]"),
        (([1, 2], 1), TypeError, r"inputs of float32.*got int64 of dataset\[1\]"),
        (([1.0, 2.0], 1.0), TypeError, r"labels of int64.*got float32 of dataset\[1\]"),
        (([1.0, 2.0], None), TypeError, "NoneType|object"),
        (([1.0, 2.0],), TypeError, r"dataset\[1\] to be a pair.*tuple of 1"),
        (3, TypeError, r"dataset\[1\] to be a pair.*got a int"),
        (([1.0, "x"], 1), TypeError, "got elements of str"),
        (([1.0, [2.0]], 1), ValueError, "inhomogeneous"),
        (([1.0, 2.0], 1 << 70), OverflowError, "too big"),
    ],
)
def test_samples_that_do_not_fit(prefetch: int, bad: Any, error: Any, message: str) -> None:
    loader = DataLoader(Given(([0.5, 1.5], 0), bad), 2, prefetch=prefetch)
    with pytest.raises(error, match=message):
        list(loader)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DataLoader(Given(3)), TypeError, "to be a pair"),
        (lambda: DataLoader(Failing(3)[0]), TypeError, "to be a pair.*got a ndarray"),
        (lambda: DataLoader(3), TypeError, "expected a data set, got int"),
        (lambda: DataLoader(Dataset()), NotImplementedError, "must define __len__"),
        (lambda: DataLoader(Numbers(3), 0), ValueError, "batch_size"),
        (lambda: DataLoader(Numbers(3), -1), ValueError, "batch_size"),
        (lambda: DataLoader(Numbers(3), 1.5), TypeError, "batch_size: int"),
        (lambda: DataLoader(Numbers(3), 1 << 70), TypeError, "batch_size: int"),
        (lambda: DataLoader(Numbers(3), prefetch=-1), ValueError, "prefetch"),
        (lambda: DataLoader(Numbers(3), seed=-1), TypeError, "seed: int"),
        (lambda: DataLoader(Numbers(3), device="tpu"), libgnn.DeviceError, "tpu"),
        (lambda: DataLoader(Numbers(3), num_workers=4), ValueError, "prefetch=N"),
        (lambda: DataLoader(Numbers(3), sampler=[1]), ValueError, "Subset"),
        (lambda: DataLoader(Numbers(3), speed=4), TypeError, "unexpected keyword"),
    ],
)
def test_what_makes_no_sense(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_no_samples() -> None:
    for data in (Numbers(0), TensorDataset(libgnn.zeros(0, 2), libgnn.zeros(0))):
        assert len(DataLoader(data)) == 0
        assert list(DataLoader(data)) == []


def test_pytorchs_arguments_may_have_their_defaults() -> None:
    DataLoader(
        Numbers(3), num_workers=0, sampler=None, collate_fn=None, pin_memory=True, timeout=0
    )


@pytest.mark.parametrize("prefetch", [0, 2])
def test_garbage_collection_may_take_a_loader_on_its_own_thread(prefetch: int) -> None:
    dropped, collected = threading.Event(), threading.Event()

    class Collecting(Numbers):
        def __getitem__(self, index: int) -> Any:
            if index == 2:
                dropped.wait(10)
                gc.collect()
                collected.set()
            return super().__getitem__(index)

    class Owner:
        def __init__(self) -> None:
            self.me = self  # garbage that only a collection finds
            self.loader = DataLoader(Collecting(8), 2, prefetch=prefetch)
            self.loop = iter(self.loader)

    gc.disable()
    try:
        owner = Owner()
        reference = weakref.ref(owner)
        next(owner.loop)
        if prefetch == 0:
            loop = owner.loop
            del owner
            dropped.set()
            next(loop)
            del loop
        else:
            del owner
            dropped.set()
            assert collected.wait(10)
        gc.collect()
        assert reference() is None
    finally:
        gc.enable()


def test_a_loader_is_for_one_thread() -> None:
    """A second thread gets an error, not a mess, and the first loop is as it was."""
    started, finish = threading.Event(), threading.Event()

    class Slow(Numbers):
        def __getitem__(self, index: int) -> Any:
            if index == 3:
                started.set()
                finish.wait(10)
            return super().__getitem__(index)

    for prefetch in (0, 2):
        started.clear()
        finish.clear()
        loader = DataLoader(Slow(6), 2, prefetch=prefetch)
        result: list[Any] = []
        thread = threading.Thread(target=lambda: result.append(labels_of(loader)))
        thread.start()
        assert started.wait(10)
        if prefetch > 0:  # until the loop waits for the batch with sample 3
            threading.Event().wait(0.1)
        try:
            with pytest.raises(libgnn.Error, match="another thread is using this loader"):
                next(iter(loader))
        finally:
            finish.set()
            thread.join()
        assert result == [[[0, 10], [20, 30], [40, 50]]]


def test_threads_have_loaders_of_their_own() -> None:
    results: dict[int, Any] = {}

    def work(seed: int) -> None:
        loader = DataLoader(Numbers(50), 7, shuffle=True, seed=seed)
        results[seed] = [labels_of(loader) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        loader = DataLoader(Numbers(50), 7, shuffle=True, seed=seed, prefetch=0)
        assert results[seed] == [labels_of(loader) for _ in range(5)]


SLOW = """
import sys, time
import libgnn
from libgnn.utils.data import DataLoader

class Slow:
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        time.sleep(0.02)
        return float(index), index

loader = DataLoader(Slow(), 4, prefetch={prefetch})
loop = iter(loader)
next(loop)
try:
    print("running", flush=True)
    {rest}
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize("prefetch", [0, 2])
def test_the_interpreter_ends_while_batches_are_prepared(prefetch: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW.format(prefetch=prefetch, rest="pass")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "running\n", "")


@pytest.mark.parametrize("prefetch", [0, 2])
def test_ctrl_c_ends_a_loop(prefetch: int) -> None:
    with started(
        [sys.executable, "-c", SLOW.format(prefetch=prefetch, rest="list(loop)")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert (process.wait(30), process.stderr.read()) == (7, "")
