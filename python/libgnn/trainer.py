"""Training and evaluation of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, Union

from libgnn import _core
from libgnn._core import EarlyStopping, EpochResult, Evaluation, History, Misclassified, Tensor
from libgnn._progress import progress_display
from libgnn.nn import Module
from libgnn.optim.lr_scheduler import LRScheduler
from libgnn.optim.optimizer import Optimizer
from libgnn.utils.data import DataLoader

__all__ = ["EarlyStopping", "EpochResult", "Evaluation", "History", "Misclassified", "Trainer"]

LossFunction = Callable[[Tensor, Tensor], Tensor]
EpochCallback = Callable[["Trainer", EpochResult], Any]
StepCallback = Callable[["Trainer", int, Tensor], Any]
Callback = TypeVar("Callback")
Callbacks = Union[Callback, Sequence[Callback]]


class Trainer:
    """Trains and evaluates a model.

    >>> import libgnn
    >>> from libgnn.utils.data import DataLoader, TensorDataset
    >>> _ = libgnn.manual_seed(1)
    >>> inputs = libgnn.randn(200, 2)
    >>> labels = libgnn.tensor([int(x > y) for x, y in inputs.tolist()])
    >>> loader = DataLoader(TensorDataset(inputs, labels), batch_size=20, shuffle=True)
    >>> model = libgnn.nn.Linear(2, 2)
    >>> optimizer = libgnn.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    >>> trainer = libgnn.Trainer(model, optimizer)
    >>> history = trainer.fit(loader, epochs=5, progress=False)
    >>> history.steps
    50
    >>> trainer.evaluate(loader).accuracy > 0.95
    True

    Model and loaders are on the same device. Training is deterministic: the loss is kept on the
    device and read there every 50 steps, or every 5 when they are slow.

    Args:
        model: called with a batch's inputs, returns its outputs.
        optimizer: of its parameters.
        loss: loss(outputs, labels) is a Tensor of one element, the mean over the batch; by default
            cross_entropy.
    """

    def __init__(
        self, model: Module, optimizer: Optimizer, loss: LossFunction | None = None
    ) -> None:
        for value, kind in ((model, Module), (optimizer, Optimizer)):
            if not isinstance(value, kind):
                raise TypeError(
                    f"Trainer: expected a libgnn {kind.__name__}, got {type(value).__name__}"
                )
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self._running: _core.Training | None = None
        self._stopped = False

    def fit(
        self,
        train: DataLoader,
        *,
        epochs: int = 1,
        validation: DataLoader | None = None,
        validation_name: str = "validation",
        schedule: LRScheduler | None = None,
        schedule_every_step: bool = False,
        clip_grad_norm: float = 0,
        early_stopping: EarlyStopping | None = None,
        on_epoch: Callbacks[EpochCallback] = (),
        on_step: Callbacks[StepCallback] = (),
        capture: bool = True,
        progress: bool = True,
    ) -> History:
        """Trains in training mode; the modules' modes are put back.

        Args:
            train: training data.
            epochs: loops over it.
            validation: evaluated after every epoch.
            validation_name: what the progress calls it.
            schedule: stepped after every epoch, or after every step with schedule_every_step.
            clip_grad_norm: limit for the norm of all gradients together; 0: none.
            early_stopping: when to end before the last epoch.
            on_epoch: called with (trainer, result) after every epoch, its validation included: a
                function or a list of them.
            on_step: called with (trainer, step, loss) after every step, which counts from 1. The
                loss is on the device: reading it makes the host wait.
            capture: on CUDA, issue a step by one call where that is possible: the data set is kept
                on the device, model and loss do nothing that waits for it, and there is no on_step
                callback. Results are the same, bit for bit, unless Python code of a model's own
                does something else from step to step, because it runs for the first steps only:
                turn it off for that.
            progress: shows a bar: tqdm's where that is installed, on a terminal or in a notebook;
                else a plain one on a terminal and plain lines elsewhere, on stderr.

        Raises:
            TrainingError: naming the step, when the loss of a step is NaN or infinite.
            ValueError: for arguments that make no sense, a loader without batches, a loss that is
                not one number.
            KeyboardInterrupt: for Ctrl-C, within a step or a moment.
            What model, loss, data sets and callbacks raise, as it is. The steps until then stay
            made.
        """
        self._check(train=train, validation=validation)
        if schedule is not None and not isinstance(schedule, LRScheduler):
            raise TypeError(f"fit: expected an LRScheduler, got {type(schedule).__name__}")
        training = self._training()

        def after_epoch(callback: EpochCallback) -> Callable[[EpochResult], None]:
            def call(result: EpochResult) -> None:
                self._set_mode(training.is_training)
                callback(self, result)

            return call

        def after_step(callback: StepCallback) -> Callable[[int, Tensor], None]:
            def call(step: int, loss: Tensor) -> None:
                callback(self, step, loss)

            return call

        epoch_callbacks = [after_epoch(callback) for callback in _listed(on_epoch)]
        step_callbacks = [after_step(callback) for callback in _listed(on_step)]
        display = progress_display(progress)
        with self._modes_kept():
            self._running = training
            if self._stopped:
                self._stopped = False
                training.stop()
            try:
                self.model.train(True)
                return training.fit(
                    train._native,
                    epochs,
                    None if validation is None else validation._native,
                    validation_name,
                    None if schedule is None else schedule._native,
                    schedule_every_step,
                    clip_grad_norm,
                    early_stopping,
                    epoch_callbacks,
                    step_callbacks,
                    capture,
                    progress,
                    display,
                )
            finally:
                self._running = None
                display.close()

    def evaluate(self, data: DataLoader) -> Evaluation:
        """Loss and, for a classifier, accuracy, confusion matrix and misclassified samples.

        In evaluation mode and without recording; the modules' modes are put back.

        Raises:
            ValueError: for a loader without batches, a loss that is not one number.
        """
        self._check(data=data)
        training = self._training()
        with self._modes_kept():
            self.model.train(False)
            return training.evaluate(data._native)

    def stop(self) -> None:
        """Makes the running fit(), or else the next, return after its present step.

        May be called from callbacks, other threads and signal handlers.
        """
        if self._running is None:
            self._stopped = True
        else:
            self._running.stop()

    def _check(self, **loaders: DataLoader | None) -> None:
        for name, loader in loaders.items():
            if not isinstance(loader, DataLoader) and (loader is not None or name != "validation"):
                raise TypeError(f"{name}: expected a DataLoader, got {type(loader).__name__}")

    def _training(self) -> _core.Training:
        def forward(inputs: Tensor, training: bool) -> Tensor:
            self._set_mode(training)
            return _a_tensor("model", self.model(inputs))

        loss = self.loss

        def loss_of(outputs: Tensor, labels: Tensor) -> Tensor:
            assert loss is not None
            return _a_tensor("loss", loss(outputs, labels))

        return _core.Training(
            forward,
            list(self.model.named_parameters()),
            list(self.model.named_buffers()),
            self.optimizer._native,
            None if loss is None else loss_of,
        )

    def _set_mode(self, training: bool) -> None:
        if self.model.training != training:
            self.model.train(training)

    @contextmanager
    def _modes_kept(self) -> Iterator[None]:
        """Afterwards every module is in the mode that it was in before."""
        modes = [(module, module.training) for module in self.model.modules()]
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def _listed(callbacks: Any) -> Sequence[Any]:
    return [callbacks] if callable(callbacks) else list(callbacks)


def _a_tensor(what: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        got = type(value).__name__
        raise TypeError(f"Trainer: expected the {what} to return a Tensor, got {got}")
    return value
