"""Losses and dropout against PyTorch."""

from __future__ import annotations

import types
import typing

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import libgnn
import parity_support as parity

REDUCTIONS = ["none", "mean", "sum"]


@parity.examples(200)
@given(data=st.data())
def test_cross_entropy(torch: types.ModuleType, data: st.DataObject) -> None:
    samples, classes = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 7))
    logits = data.draw(parity.values((samples, classes), -20, 20))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    options: dict[str, typing.Any] = {
        "reduction": data.draw(st.sampled_from(REDUCTIONS)),
        "label_smoothing": data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "ignore_index": data.draw(st.sampled_from([-100, -1, 0, classes - 1, 1000])),
    }
    for name in data.draw(st.sets(st.sampled_from(sorted(options)))):
        del options[name]
    ignored = options.get("ignore_index", -100)
    allowed = [*range(classes), ignored]
    labels = [data.draw(st.sampled_from(allowed)) for _ in range(samples)]
    weight = data.draw(parity.values((classes,), 0.5, 3, grid=False)) if data.draw(st.booleans()) else None
    our_options, their_options = dict(options), dict(options)
    if weight is not None:
        our_options["weight"] = libgnn.tensor(weight, dtype=getattr(libgnn, dtype))
        their_options["weight"] = torch.tensor(weight)
    # Where no sample counts the mean is 0 / 0: both say NaN, whose gradients are not compared.
    counts = any(label != ignored for label in labels)
    if not counts and options.get("reduction", "mean") == "mean":
        ours = libgnn._core.cross_entropy(
            libgnn.tensor(logits, dtype=getattr(libgnn, dtype)), libgnn.tensor(labels), **our_options
        )
        parity.COUNTS["cross_entropy"] += 1
        assert numpy.isnan(ours.item())
        return
    parity.check(
        torch,
        "cross_entropy",
        lambda t: libgnn._core.cross_entropy(t, libgnn.tensor(labels), **our_options),
        lambda t: torch.nn.functional.cross_entropy(t, torch.tensor(labels), **their_options),
        [logits],
        dtype,
        terms=samples + classes,
    )


def test_cross_entropy_of_labels_out_of_range() -> None:
    logits = libgnn.zeros(2, 3)
    for labels in ([0, 3], [-1, 0], [0, -101], [2**62, 0]):
        with pytest.raises(libgnn.IndexOutOfRangeError):
            libgnn._core.cross_entropy(logits, libgnn.tensor(labels))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@parity.examples(80)
@given(data=st.data())
def test_elementwise_losses(torch: types.ModuleType, name: str, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), max_size=4).map(tuple))
    x, y = data.draw(parity.values(shape)), data.draw(parity.values(shape))
    dtype = data.draw(st.sampled_from(parity.FLOATS))
    options = {"reduction": data.draw(st.sampled_from(REDUCTIONS))} if data.draw(st.booleans()) else {}
    ours, theirs = getattr(libgnn._core, name), getattr(torch.nn.functional, name)
    parity.check(
        torch,
        name,
        lambda a, b: ours(a, b, **options),
        lambda a, b: theirs(a, b, **options),
        [x, y],
        dtype,
        terms=x.size,
    )


@parity.examples(60)
@given(data=st.data())
def test_dropout(torch: types.ModuleType, data: st.DataObject) -> None:
    """The random numbers are libgnn's own: what is compared are the cases without chance, and that each element
    is dropped, or divided by 1 - p, with the same mask forth and back."""
    x, dtype = data.draw(parity.values(data.draw(parity.shapes()))), data.draw(st.sampled_from(parity.FLOATS))
    options = data.draw(st.sampled_from([{"p": 0.0}, {"p": 1.0}, {"p": 0.3, "training": False}]))
    ours, theirs = libgnn._core.dropout, torch.nn.functional.dropout
    parity.check(
        torch, "dropout", lambda t: ours(t, **options), lambda t: theirs(t, **options), [x], dtype
    )
    p = data.draw(st.sampled_from([0.25, 0.5, 0.75]))
    tensor = libgnn.tensor(x + 10, dtype=getattr(libgnn, dtype), requires_grad=True)
    result = ours(tensor, p)
    result.backward(libgnn.ones_like(result))
    kept = result.detach().numpy() != 0
    expected = numpy.where(kept, (x + 10) / (1 - p), 0)
    assert numpy.allclose(result.detach().numpy(), expected, rtol=1e-6, atol=0)
    assert tensor.grad is not None
    assert numpy.array_equal(tensor.grad.numpy(), numpy.where(kept, 1 / (1 - p), 0).astype(dtype))


def test_dropout_drops_as_often_as_it_should() -> None:
    libgnn.manual_seed(0)
    n = 100_000
    for p in (0.1, 0.5, 0.9):
        share = 1 - float(numpy.count_nonzero(libgnn._core.dropout(libgnn.ones(n), p).numpy())) / n
        assert abs(share - p) < 6 * (p * (1 - p) / n) ** 0.5  # 6 standard errors
