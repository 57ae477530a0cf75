"""A training run to be looked at, as SVG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Union

from libgnn import _core
from libgnn._core import Tensor

__all__ = ["training_picture", "write_training_picture"]

Path = Union[str, "os.PathLike[str]"]


def training_picture(
    title: str = "",
    *,
    subtitle: str = "",
    train_loss: Sequence[float] = (),
    validation_loss: Sequence[float] = (),
    validation_accuracy: Sequence[float] = (),
    validation_name: str = "test",
    confusion: Any = (),
    class_names: Sequence[str] = (),
    misclassified: Sequence[tuple[Any, int, int]] = (),
) -> str:
    """Curves, a confusion matrix and mistakes in one picture. What is empty is left out.

    Args:
        title, subtitle: above the picture.
        train_loss, validation_loss: one per epoch; values that are not finite leave a gap.
        validation_accuracy: the same, from 0 to 1.
        validation_name: what the data of the last two are called.
        confusion: counts of true class (row) by predicted class (column), square: a NumPy array,
            nested lists, or Evaluation.confusion.
        class_names: by default the classes' numbers.
        misclassified: triples (image, label, predicted); the first 24 are shown. An image is uint8
            on the CPU, [H, W], [1, H, W] or [3, H, W].

    Returns:
        SVG, 1200 x 800, self-contained.

    Raises:
        ValueError: for a confusion matrix that is not square, has negative counts or does not fit
            the class names, for labels outside of them, and for images of another shape.
    """
    images = [
        (image if isinstance(image, Tensor) else _core.as_tensor(image), label, predicted)
        for image, label, predicted in misclassified
    ]
    return _core.training_picture(
        title,
        subtitle,
        list(train_loss),
        list(validation_loss),
        list(validation_accuracy),
        validation_name,
        [[int(count) for count in row] for row in ([] if confusion is None else confusion)],
        list(class_names),
        images,
    )


def write_training_picture(path: Path, title: str = "", **arguments: Any) -> None:
    """Writes training_picture(title, **arguments) to a file, whole or not at all.

    Raises:
        DataError: when it cannot be written; and what training_picture() raises.
    """
    _core.write_file(path, training_picture(title, **arguments))
