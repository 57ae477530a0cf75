"""libgnn.Trainer: the same as a loop of one's own, PyTorch's values, callbacks, errors."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from training import Net, loader, net, points

import libgnn
from libgnn import nn
from libgnn.optim import SGD, Adam
from libgnn.optim.lr_scheduler import CosineAnnealingLR, LambdaLR
from libgnn.utils.data import DataLoader, TensorDataset


def own_loop(model: Any, optimizer: Any, data: Any, epochs: int, schedule: Any) -> list[float]:
    """What fit() does; the losses of the epochs."""
    losses = []
    for _ in range(epochs):
        total, samples = 0.0, 0
        for inputs, labels in data:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(labels)
            samples += len(labels)
        losses.append(total / samples)
    return losses


@pytest.mark.parametrize("make_loss", [None, nn.CrossEntropyLoss])
def test_fit_is_the_loop_that_one_would_write(make_loss: Any) -> None:
    """The same weights bit for bit, dropout's random numbers included."""
    results = []
    for use_trainer in (True, False):
        model = net()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        schedule = CosineAnnealingLR(optimizer, 39)
        data = loader()
        if use_trainer:
            trainer = libgnn.Trainer(model, optimizer, None if make_loss is None else make_loss())
            history = trainer.fit(
                data, epochs=3, schedule=schedule, schedule_every_step=True, progress=False
            )
            losses = [epoch.train_loss for epoch in history.epochs]
            assert history.steps == 39 == schedule.last_epoch
        else:
            losses = own_loop(model, optimizer, data, 3, schedule)
        results.append((libgnn.sha256(model), losses))
    assert results[0][0] == results[1][0]
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-12)


def torch_lenet(torch: Any) -> Any:
    class LeNet(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 20, 5)
            self.conv2 = torch.nn.Conv2d(20, 50, 5)
            self.fc1 = torch.nn.Linear(800, 500)
            self.fc2 = torch.nn.Linear(500, 10)

        def forward(self, x: Any) -> Any:
            pool = torch.nn.functional.max_pool2d
            x = pool(self.conv2(pool(self.conv1(x), 2)), 2)
            return self.fc2(torch.relu(self.fc1(x.flatten(1))))

    return LeNet().double()


UPDATES = [
    ("SGD", {"lr": 0.01}, None),
    ("SGD", {"lr": 0.005, "momentum": 0.9, "weight_decay": 5e-4}, None),
    ("SGD", {"lr": 0.005, "momentum": 0.9, "nesterov": True}, ("StepLR", {"step_size": 5})),
    ("SGD", {"lr": 0.01}, ("LinearLR", {})),
    ("Adam", {"lr": 1e-3}, ("ExponentialLR", {"gamma": 0.9})),
    ("Adam", {"lr": 1e-3, "weight_decay": 0.01}, ("CosineAnnealingLR", {"T_max": 12})),
    ("AdamW", {"lr": 1e-3}, ("LambdaLR", {"lr_lambda": lambda step: 1 / (1 + step)})),
]


@pytest.mark.parametrize(("name", "arguments", "schedule"), UPDATES)
def test_twenty_steps_of_lenet_follow_pytorch(
    torch: Any, rng: Any, name: str, arguments: dict[str, Any], schedule: Any
) -> None:
    """From the same weights on the same batches, in float64 for a bound that can fail."""
    images = rng.uniform(-0.5, 0.5, (40, 1, 28, 28))
    labels = rng.integers(0, 10, 40)
    ours = libgnn.models.LeNet().double()
    theirs = torch_lenet(torch)
    theirs.load_state_dict(
        {key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()}
    )
    optimizer = getattr(libgnn.optim, name)(ours.parameters(), **arguments)
    reference = getattr(torch.optim, name)(theirs.parameters(), **arguments)
    mine, other = None, None
    if schedule is not None:
        kind, settings = schedule
        mine = getattr(libgnn.optim.lr_scheduler, kind)(optimizer, **settings)
        other = getattr(torch.optim.lr_scheduler, kind)(reference, **settings)

    losses: list[float] = []
    data = DataLoader(TensorDataset(libgnn.tensor(images), libgnn.tensor(labels)), batch_size=8)
    libgnn.Trainer(ours, optimizer).fit(
        data,
        epochs=4,
        schedule=mine,
        schedule_every_step=True,
        on_step=lambda trainer, step, loss: losses.append(loss.item()),
        progress=False,
    )
    for step in range(20):
        batch = slice(8 * (step % 5), 8 * (step % 5) + 8)
        reference.zero_grad()
        output = theirs(torch.tensor(images[batch]))
        loss = torch.nn.functional.cross_entropy(output, torch.tensor(labels[batch]))
        loss.backward()
        reference.step()
        if other is not None:
            other.step()
        # Rounding of 1e-16 grows with the steps; Adam divides by gradients that are nearly zero.
        assert losses[step] == pytest.approx(loss.item(), rel=1e-9), step
    assert len(losses) == 20
    assert losses[-1] < losses[0]
    for key, value in theirs.state_dict().items():
        numpy.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), atol=1e-9)


def test_history_and_evaluation() -> None:
    model = net()
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1, momentum=0.9))
    validation = DataLoader(points(100, 2), 64)
    history = trainer.fit(loader(), epochs=8, validation=validation, progress=False)
    assert [result.epoch for result in history.epochs] == list(range(1, 9))
    last = history.epochs[-1]
    assert last.train_loss < history.epochs[0].train_loss
    assert last.validation_accuracy >= 0.9
    assert last.lr == 0.1 and last.seconds > 0 and history.samples_per_second > 0
    assert (history.stopped, history.stopped_early, history.best_epoch) == (False, False, 0)
    assert (history.captured_steps, history.capture_reason) == (0, "the device is the CPU")
    assert "epochs=8" in repr(history) and "epoch=8" in repr(last)

    evaluation = trainer.evaluate(validation)
    assert evaluation.loss == last.validation_loss
    assert evaluation.samples == 100
    model.eval()
    inputs, labels = points(100, 2).tensors
    predicted = numpy.argmax(model(inputs).detach().numpy(), axis=1)
    want = numpy.zeros((2, 2), numpy.int64)
    numpy.add.at(want, (labels.numpy(), predicted), 1)
    assert numpy.array_equal(evaluation.confusion, want)
    assert evaluation.accuracy == numpy.trace(want) / 100
    assert evaluation.accuracy == libgnn.metrics.accuracy(model(inputs), labels)
    wrong = numpy.flatnonzero(predicted != labels.numpy())
    assert [sample.index for sample in evaluation.misclassified] == wrong.tolist()
    assert [sample.predicted for sample in evaluation.misclassified] == predicted[wrong].tolist()
    assert str(evaluation.confusion_matrix).startswith("true")


def test_regression_has_no_accuracy() -> None:
    data = DataLoader([([float(i)], [2.0 * i]) for i in range(10)], 5)
    libgnn.manual_seed(1)
    model = nn.Linear(1, 1)
    trainer = libgnn.Trainer(model, Adam(model.parameters(), lr=0.1), nn.MSELoss())
    history = trainer.fit(data, epochs=60, progress=False)
    assert history.epochs[-1].train_loss < 0.1 * history.epochs[0].train_loss
    evaluation = trainer.evaluate(data)
    assert numpy.isnan(evaluation.accuracy)
    assert evaluation.confusion is None and evaluation.confusion_matrix is None
    assert evaluation.misclassified == []


def test_modes_are_set_and_put_back() -> None:
    model = net()
    model.eval()
    model.dropout.train()
    seen = []
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1))
    data = loader(32)
    trainer.fit(
        data,
        epochs=2,
        validation=data,
        on_epoch=lambda trainer, result: seen.append((model.training, model.fc1.training)),
        progress=False,
    )
    assert model.modes == [True, True, False, False] * 2
    assert seen == [(True, True)] * 2
    assert (model.training, model.fc1.training, model.dropout.training) == (False, False, True)
    model.train()
    model.modes.clear()
    trainer.evaluate(data)
    assert model.modes == [False, False]
    assert model.training and model.fc1.training


def test_callbacks_see_every_step_and_epoch() -> None:
    model = net()
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1))
    events: list[Any] = []

    def on_step(given: libgnn.Trainer, step: int, loss: libgnn.Tensor) -> None:
        assert given is trainer and loss.numel() == 1
        events.append(step)

    def on_epoch(given: libgnn.Trainer, result: libgnn.EpochResult) -> None:
        assert given is trainer
        events.append(f"epoch {result.epoch}")

    trainer.fit(
        loader(48),
        epochs=2,
        on_step=on_step,
        on_epoch=[on_epoch, lambda trainer, result: events.append(trainer.evaluate(loader()))],
        progress=False,
    )
    assert events[:4] == [1, 2, 3, "epoch 1"]
    assert events[5:9] == [4, 5, 6, "epoch 2"]
    assert events[4].samples == 200


class Unlucky(Exception):
    """An exception of the user's own."""


def test_exceptions_arrive_as_themselves() -> None:
    def fail(*arguments: Any) -> Any:
        raise Unlucky("here")

    class Bad(Net):
        def forward(self, x: libgnn.Tensor) -> libgnn.Tensor:
            return fail()

    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    data = loader(32)
    cases = [
        lambda: libgnn.Trainer(Bad(), optimizer).fit(data, progress=False),
        lambda: libgnn.Trainer(model, optimizer, fail).fit(data, progress=False),
        lambda: libgnn.Trainer(model, optimizer).fit(data, on_epoch=fail, progress=False),
        lambda: libgnn.Trainer(model, optimizer).fit(data, on_step=[fail], progress=False),
        lambda: libgnn.Trainer(model, optimizer).fit(
            data, schedule=LambdaLR(optimizer, lambda step: fail() if step else 1), progress=False
        ),
        lambda: libgnn.Trainer(Bad(), optimizer).evaluate(data),
        lambda: libgnn.Trainer(model, optimizer).fit(
            DataLoader([(0, 0), (0, 0)]), progress=False
        ),
    ]
    for case in cases[:-1]:
        with pytest.raises(Unlucky, match="here"):
            case()
        assert model.training
    with pytest.raises(libgnn.Error):
        cases[-1]()  # integers are no input of a linear layer
    libgnn.Trainer(model, optimizer).fit(data, progress=False)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"epochs": 0}, ValueError),
        ({"epochs": 1.5}, TypeError),
        ({"clip_grad_norm": -1}, ValueError),
        ({"validation": "x"}, TypeError),
        ({"schedule": "x"}, TypeError),
        ({"on_step": 3}, TypeError),
        ({"on_epoch": ["x"]}, TypeError),
        ({"early_stopping": libgnn.EarlyStopping(1)}, ValueError),
        ({"early_stopping": 3}, TypeError),
    ],
)
def test_arguments_that_make_no_sense(arguments: Any, error: type[Exception]) -> None:
    model = net()
    trainer = libgnn.Trainer(model, SGD(model.parameters(), lr=0.1))
    with pytest.raises(error):
        trainer.fit(loader(16), progress=False, **arguments)


def test_models_and_losses_that_make_no_sense() -> None:
    def a_float(x: libgnn.Tensor, y: libgnn.Tensor) -> Any:
        return 1.0

    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="Optimizer"):
        libgnn.Trainer(model, "sgd")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Module"):
        libgnn.Trainer("net", optimizer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="DataLoader"):
        libgnn.Trainer(model, optimizer).fit([1, 2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="loss to return a Tensor, got float"):
        libgnn.Trainer(model, optimizer, a_float).fit(loader(16), progress=False)
    with pytest.raises(ValueError, match="one element"):
        libgnn.Trainer(model, optimizer, lambda x, y: x).fit(loader(16), progress=False)
    with pytest.raises(ValueError):
        libgnn.Trainer(model, optimizer).evaluate(DataLoader([]))
    with pytest.raises(ValueError, match="monitor"):
        libgnn.EarlyStopping(1, monitor="luck")


def test_an_absurd_loss_names_its_step() -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    calls = []

    def loss(x: libgnn.Tensor, y: libgnn.Tensor) -> libgnn.Tensor:
        calls.append(1)
        value = nn.functional.cross_entropy(x, y)
        return value * float("nan") if len(calls) == 4 else value

    with pytest.raises(libgnn.TrainingError, match="NaN in step 4"):
        libgnn.Trainer(model, optimizer, loss).fit(loader(), progress=False)


def test_early_stopping_goes_back_to_the_best_epoch() -> None:
    """Validation has the opposite labels, so that every epoch makes it worse: the first is best."""
    for restore in (True, False):
        model = net()
        model.fc1.requires_grad_(False)  # frozen weights are part of the state
        trainer = libgnn.Trainer(model, SGD([*model.fc2.parameters()], lr=0.5))
        hashes: list[str] = []
        history = trainer.fit(
            loader(),
            epochs=10,
            validation=DataLoader(points(100, 2, flipped=True), 50),
            early_stopping=libgnn.EarlyStopping(3, restore_best=restore),
            on_epoch=lambda trainer, result: hashes.append(libgnn.sha256(model)),
            progress=False,
        )
        assert history.stopped_early and history.best_epoch == 1
        assert len(hashes) == 4
        assert libgnn.sha256(model) == hashes[0 if restore else 3]
        assert not model.fc1.weight.requires_grad


def test_clips_gradients() -> None:
    model = net()
    before = numpy.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    optimizer = SGD(model.parameters(), lr=1)
    libgnn.Trainer(model, optimizer).fit(loader(16), clip_grad_norm=1e-3, progress=False)
    after = numpy.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    assert 0 < numpy.linalg.norm(after - before) <= 1.001e-3
