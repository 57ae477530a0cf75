"""libgnn.Trainer while it runs: stopping, Ctrl-C, threads, lifetimes, progress."""

from __future__ import annotations

import gc
import io
import signal
import subprocess
import sys
import threading
import weakref

import numpy
import pytest
from processes import started
from training import loader, net, points

import libgnn
from libgnn import nn
from libgnn.optim import SGD, Adam
from libgnn.optim.lr_scheduler import ExponentialLR, LambdaLR, StepLR
from libgnn.utils.data import DataLoader, TensorDataset


def test_stop_ends_the_fit() -> None:
    model = net()
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1))
    data = loader(48)
    history = trainer.fit(
        data,
        epochs=5,
        on_step=lambda trainer, step, loss: trainer.stop() if step == 5 else None,
        progress=False,
    )
    assert (history.stopped, history.steps, len(history.epochs)) == (True, 5, 1)
    assert not trainer.fit(data, progress=False).stopped
    trainer.stop()
    assert trainer.fit(data, progress=False).steps == 0
    assert trainer.fit(data, progress=False).steps == 3


def test_another_thread_may_stop_the_fit() -> None:
    model = net()
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1))
    timer = threading.Timer(0.2, trainer.stop)
    timer.start()
    assert trainer.fit(loader(), epochs=10**6, progress=False).stopped


CTRL_C = """
import sys
import libgnn
from libgnn.utils.data import DataLoader, TensorDataset

libgnn.manual_seed(1)
model = libgnn.nn.Linear(50, 10)
optimizer = libgnn.optim.SGD(model.parameters(), lr=0.1)
labels = libgnn.tensor([i % 10 for i in range(2000)])
loader = DataLoader(TensorDataset(libgnn.randn(2000, 50), labels), batch_size=20)
steps = 0
def on_step(trainer, step, loss):
    global steps
    steps = step
    if step == 150:
        print("running", flush=True)
try:
    libgnn.Trainer(model, optimizer).fit(
        loader, epochs=10**6, on_step=on_step, progress=False, validation={validation})
except KeyboardInterrupt:
    model.weight.sum().item()
    print(steps, model.training)
    print(libgnn.Trainer(model, optimizer).fit(loader, progress=False).steps)
    sys.exit(7)
"""


@pytest.mark.parametrize("validation", ["None", "loader"])
def test_ctrl_c_ends_the_fit(validation: str) -> None:
    if validation == "loader":
        validation = "DataLoader(loader.dataset, batch_size=10)"
    with started(
        [sys.executable, "-c", CTRL_C.format(validation=validation)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert (process.wait(30), process.stderr.read()) == (7, "")
        steps, training, again = process.stdout.read().split()
        assert int(steps) >= 150
        assert (training, again) == ("True", "100")


def test_threads_train_models_of_their_own() -> None:
    """At the same time, with the same results as one after the other."""

    def run(seed: int) -> str:
        model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2))
        for index, parameter in enumerate(model.parameters()):
            values = numpy.random.default_rng([seed, index]).normal(size=parameter.shape) / 4
            with libgnn.no_grad():
                parameter.copy_(libgnn.tensor(values.astype(numpy.float32)))
        optimizer = Adam(model.parameters(), lr=0.01)
        schedule = LambdaLR(optimizer, lambda step: 1 / (1 + step))
        data = DataLoader(points(256, seed), 16, shuffle=True, seed=seed)
        libgnn.Trainer(model, optimizer, nn.CrossEntropyLoss()).fit(
            data,
            epochs=3,
            schedule=schedule,
            validation=DataLoader(data.dataset, 64),
            progress=False,
        )
        return libgnn.sha256(model)

    alone = [run(seed) for seed in range(4)]
    together = [""] * 4

    def work(seed: int) -> None:
        together[seed] = run(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_other_threads_run_meanwhile() -> None:
    """The GIL is free while C++ computes."""
    libgnn.manual_seed(1)
    model = nn.Linear(512, 512)
    data = DataLoader(TensorDataset(libgnn.randn(512, 512), libgnn.tensor([0] * 512)), 512)
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=1e-3))
    ticks = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    trainer.fit(data, epochs=50, progress=False)
    done.set()
    thread.join()
    assert len(ticks) > 5


def test_nothing_keeps_the_model_alive() -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    trainer = libgnn.Trainer(model, optimizer, lambda x, y: nn.functional.cross_entropy(x, y))
    trainer.fit(
        loader(32),
        schedule=StepLR(optimizer, 1),
        on_epoch=lambda trainer, result: None,
        progress=False,
    )
    references = [weakref.ref(model), weakref.ref(trainer), weakref.ref(optimizer)]
    del model, optimizer, trainer
    gc.collect()
    assert [reference() for reference in references] == [None] * 3


def test_the_optimizer_may_go_before_its_schedule() -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=0.5)
    schedule = ExponentialLR(optimizer, 0.5)
    trainer = libgnn.Trainer(model, optimizer)
    del optimizer
    gc.collect()
    trainer.fit(loader(32), epochs=2, schedule=schedule, progress=False)
    assert trainer.optimizer.param_groups[0]["lr"] == 0.125


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_tqdm_shows_the_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    model = net()
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1))
    trainer.fit(loader(), epochs=2, validation=loader(16), validation_name="test")
    shown = terminal.getvalue()
    assert "Epoch 1/2: 100%" in shown and "Epoch 2/2: 100%" in shown
    assert "200/200" in shown and "samples/s" in shown
    assert "test accuracy" in shown


def test_plain_lines_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    model = net()
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1))
    trainer.fit(loader(), epochs=2)
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("accuracy" in line and "lr 0.1" in line for line in lines)
    trainer.fit(loader(), progress=False)
    assert capfd.readouterr() == ("", "")
