"""Calls everything that libgnn._core has with arguments that fit and with nonsense; test_fuzz.py runs it.

A program of its own, so that a crash of the interpreter is its exit code. Before every call the call is
written to the file that is the first argument: its last line is what crashed. Whatever is raised must be one
of ALLOWED; in the end no memory may be left over.
"""

from __future__ import annotations

import collections
import contextlib
import faulthandler
import gc
import itertools
import os
import random
import re
import resource
import sys
import tempfile
import threading
import typing
import warnings

import hypothesis
import numpy
from hypothesis import strategies as st

import libgnn
from libgnn import _core

# KeyError: of a dictionary that is taken for a data set.
ALLOWED = (ValueError, TypeError, IndexError, KeyError, MemoryError, OverflowError, BufferError, AttributeError, libgnn.Error)
CALLS_PER_PROGRAM = 60

# Sizes are small or so large that nothing of that size exists: a test never fills memory.
SMALL = [0, 1, 2, 3, 4, 5, -1, -2, -3]
HUGE = [2**31, 2**31 - 1, 2**32, 10**10, 2**53 + 1, 10**18, 2**61, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 10**400]
FLOATS = [0.0, -0.0, 0.5, 1.0, -1.0, 2.5, 1e-300, 1e18, 1e300, float("nan"), float("inf"), float("-inf")]
TEXTS = ["", "cpu", "cuda", "cuda:0", "cuda:-1", "auto", "mean", "sum", "none", "tanh", "highest", "relu", "é", "\udcff", "a\0b"]
DTYPES = [libgnn.float32, libgnn.float64, libgnn.float16, libgnn.bfloat16, libgnn.int32, libgnn.int64, libgnn.uint8]
KINDS = ["f4", "f8", "f2", "i4", "i8", "u1", ">f4", "i1", "u2", "?", "c8", "O", "U3", "M8[s]", "g"]


class Nonsense:
    """An object whose conversions fail."""

    def __index__(self) -> int:
        raise ValueError("no index")

    def __float__(self) -> float:
        raise ValueError("no float")

    def __array__(self, *arguments: typing.Any) -> typing.Any:
        raise ValueError("no array")

    def __dlpack__(self, **arguments: typing.Any) -> typing.Any:
        raise ValueError("no capsule")


class Shy(Nonsense):
    """One that even cannot be printed."""

    def __repr__(self) -> str:
        raise ValueError("no text")


class Fuzzer:
    def __init__(self, seed: int, log: int) -> None:
        self.random = random.Random(seed)
        self.log = log
        self.tensors: list[typing.Any] = []
        self.kept: list[typing.Any] = []  # views, arrays, capsules, handles
        self.outcomes: collections.Counter[str] = collections.Counter()

    # --- values

    def pick(self, choices: typing.Sequence[typing.Any]) -> typing.Any:
        return self.random.choice(choices)

    def integer(self) -> typing.Any:
        return self.pick(HUGE) * self.pick([1, 1, -1]) if self.random.random() < 0.15 else self.pick(SMALL)

    def number(self) -> typing.Any:
        return self.pick([self.integer, lambda: self.pick(FLOATS), lambda: numpy.float32(1.5)])()

    def size(self) -> typing.Any:
        if self.random.random() < 0.5:
            return self.integer()
        return self.pick([tuple, list])(self.integer() for _ in range(self.random.randint(0, 4)))

    def shape(self) -> tuple[int, ...]:
        return tuple(self.pick([0, 1, 2, 3, 5]) for _ in range(self.random.randint(0, 4)))

    def array(self) -> typing.Any:
        try:
            array = numpy.arange(720).astype(self.pick(KINDS))
        except (TypeError, ValueError):
            array = numpy.zeros(720)
        shape = self.shape()
        array = array[: int(numpy.prod(shape))].reshape(shape)
        change = self.random.randint(0, 8)
        if change == 0:
            array = array.T
        elif change == 1 and array.ndim:
            array = array[::-1]
        elif change == 2 and array.ndim:
            array = array[..., ::2]
        elif change == 3:
            array.flags.writeable = False
        elif change == 4 and array.ndim:
            array = numpy.broadcast_to(array, (2, *array.shape))
        elif change == 5 and array.dtype.hasobject is False:
            record = numpy.zeros(array.shape, dtype=[("a", "u1"), ("b", array.dtype)])
            record["b"] = array
            array = record["b"]
        return array

    def tensor(self) -> typing.Any:
        if self.tensors and self.random.random() < 0.85:
            return self.pick(self.tensors)
        tensor = libgnn.zeros(self.shape(), dtype=self.pick(DTYPES[:2] if self.random.random() < 0.7 else DTYPES))
        if self.random.random() < 0.3 and tensor.dtype.is_floating_point:
            tensor.requires_grad_()
        self.tensors.append(tensor)
        return tensor

    def callable(self) -> typing.Any:
        def raises(*arguments: typing.Any) -> typing.Any:
            raise ValueError("from the callable")

        return self.pick([lambda *a: None, lambda *a: a[0], lambda *a: 3, lambda *a: [a[0]], raises, lambda: None])

    def nested(self, depth: int = 0) -> typing.Any:
        if depth > 3 or self.random.random() < 0.3:
            return self.number() if self.random.random() < 0.8 else self.anything()
        return [self.nested(depth + 1) for _ in range(self.random.randint(0, 3))]

    def index(self) -> typing.Any:
        def one() -> typing.Any:
            return self.pick([self.integer, self.integer, lambda: slice(self.integer(), self.integer()), lambda: ...])()

        return one() if self.random.random() < 0.5 else tuple(one() for _ in range(self.random.randint(0, 4)))

    def anything(self) -> typing.Any:
        return self.pick(
            [
                lambda: None,
                lambda: self.pick([True, False]),
                self.integer,
                self.number,
                self.size,
                self.tensor,
                self.array,
                self.callable,
                self.nested,
                self.index,
                lambda: self.pick(TEXTS),
                lambda: self.pick(DTYPES),
                lambda: libgnn.device("cpu"),
                lambda: slice(self.anything(), None),
                lambda: {},
                lambda: {"a": 1},
                lambda: b"bytes",
                lambda: object(),
                lambda: iter([1]),
                lambda: 1j,
                Nonsense,
                Shy,
                lambda: Nonsense,
                lambda: libgnn.Tensor.__new__(libgnn.Tensor),
            ]
        )()

    # What a parameter of this type, as the signature writes it, usually gets.
    def fitting(self, name: str, kind: str) -> typing.Any:
        if name in ("index",):
            return self.index()
        if name in ("shape", "size", "dim") and "Tensor" not in kind and self.random.random() < 0.5:
            return self.size()
        options: list[typing.Callable[[], typing.Any]] = []
        for word, make in (
            ("Tensor", self.tensor),
            ("NDArray", self.array),
            ("bool", lambda: self.pick([True, False])),
            ("int", self.integer),
            ("float", self.number),
            ("tuple", self.size),
            ("list[", lambda: [self.tensor() for _ in range(self.random.randint(0, 3))]),
            ("Sequence", self.size),
            ("dtype", lambda: self.pick(DTYPES)),
            ("device", lambda: self.pick([libgnn.device("cpu"), *TEXTS[1:6]])),
            ("str", lambda: self.pick(TEXTS)),
            ("None", lambda: None),
            ("Callable", self.callable),
            ("Any", self.anything),
            ("object", self.anything),
        ):
            if word in kind:
                options.append(make)
        return self.pick(options)() if options else self.anything()

    # --- calls

    def call(self, label: str, function: typing.Callable[..., typing.Any], signature: str, first: list[typing.Any]) -> None:
        arguments, named = list(first), {}
        by_name = False
        for parameter in parameters(signature)[len(first) :]:
            if parameter == "*":
                by_name = True
                continue
            name, _, kind = parameter.lstrip("*").partition(":")
            kind, _, default = kind.partition("=")
            if parameter.startswith("**"):
                continue
            make = self.anything if self.random.random() < 0.12 else (lambda n=name, k=kind: self.fitting(n, k))
            if parameter.startswith("*"):
                arguments += [make() for _ in range(self.random.randint(0, 4))]
                by_name = True
            elif by_name or (default and self.random.random() < 0.3):
                by_name = True
                if self.random.random() < 0.5:
                    named[name.strip()] = make()
            elif default and self.random.random() < 0.4:
                by_name = True
            else:
                arguments.append(make())
        if self.random.random() < 0.03:
            arguments.append(self.anything())
        if self.random.random() < 0.02 and arguments:
            arguments.pop()
        self.attempt(label, lambda: function(*arguments, **named), *arguments, named)

    def attempt(self, label: str, function: typing.Callable[[], typing.Any], *values: typing.Any) -> None:
        text = ", ".join(describe(value) for value in values)
        os.write(self.log, f"{label} {text}\n".encode(errors="replace"))
        try:
            result = function()
        except ALLOWED as error:
            self.outcomes[type(error).__name__] += 1
            str(error)
        else:
            self.outcomes["returned"] += 1
            self.keep(result)
        finally:
            _core._set_grad_enabled(True)

    def keep(self, result: typing.Any) -> None:
        if isinstance(result, libgnn.Tensor):
            if result.numel() < 10_000 and len(self.tensors) < 40:
                self.tensors.append(result)
            with contextlib.suppress(*ALLOWED):
                repr(result)
        elif len(self.kept) < 40:
            self.kept.append(result)

    def share(self) -> None:
        """Views of a tensor in every form, used after it is gone."""
        tensor = self.tensor()
        for form in (lambda: tensor.numpy(), lambda: memoryview(tensor), lambda: tensor.__dlpack__(), lambda: iter(tensor)):
            self.attempt("share", form, tensor)
        for view in self.kept:
            if isinstance(view, numpy.ndarray) and view.size and view.flags.writeable:
                view.reshape(-1)[-1:] = view.reshape(-1)[:1]
            elif isinstance(view, memoryview):
                with contextlib.suppress(NotImplementedError, *ALLOWED):
                    view.tobytes()

    def forget(self) -> None:
        for things in (self.tensors, self.kept):
            self.random.shuffle(things)
            del things[self.random.randint(0, len(things)) :]

    def program(self) -> None:
        for _ in range(CALLS_PER_PROGRAM):
            action = self.random.random()
            if action < 0.03:
                self.forget()
            elif action < 0.06:
                self.share()
            elif action < 0.12:
                name = self.pick(ATTRIBUTES)
                target = self.tensor()
                self.attempt(f"get {name}", lambda: getattr(target, name), target)
                value = self.anything()
                self.attempt(f"set {name}", lambda: setattr(target, name, value), target, value)
            else:
                label, function, signature, owner = self.pick(FUNCTIONS)
                first = [self.tensor()] if owner is libgnn.Tensor else []
                if owner is not None and owner is not libgnn.Tensor:
                    first = [self.pick([libgnn.device("cpu"), *[h for h in self.kept if isinstance(h, owner)]] or [None])]
                self.call(label, function, signature, first)


def describe(value: typing.Any) -> str:
    try:
        return repr(value)[:500]
    except Exception:
        return f"<{type(value).__name__}>"


def parameters(signature: str) -> list[str]:
    """The parameters in "def f(a: int, *, b: dict[str, int] = {}) -> None", separately."""
    inside = signature[signature.index("(") + 1 : signature.rindex(") ->") if ") ->" in signature else signature.rindex(")")]
    parts, depth = [""], 0
    for character in inside:
        depth += (character in "[({") - (character in "])}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip() and part.strip() != "/"]


def everything() -> typing.Iterator[tuple[str, typing.Any, str, typing.Any]]:
    """Every function and method of the extension, with one of its signatures."""
    for name, value in vars(_core).items():
        owner = value if isinstance(value, type) and not issubclass(value, BaseException) else None
        members = vars(value).items() if owner is not None else [(name, value)]
        for member, function in members:
            signatures = getattr(function, "__nb_signature__", None)
            if signatures is None or name in SKIPPED or member in SKIPPED:
                continue
            for signature in signatures:
                if member == "__init__":
                    yield f"{name}()", owner, signature[0].replace("self, ", "").replace("(self)", "()"), None
                else:
                    yield f"{name}.{member}" if owner is not None else name, function, signature[0], owner


# What would change the program that tests: threads are for a test of their own.
SKIPPED = {"set_num_threads", "dtype"}
FUNCTIONS = list(everything())
ATTRIBUTES = [name for name, value in vars(libgnn.Tensor).items() if isinstance(value, property) or not callable(value)]


def allocated() -> int:
    gc.collect()
    return libgnn.cuda.memory_stats("cpu")["allocated_bytes"]


def main() -> None:
    faulthandler.enable()
    warnings.simplefilter("ignore")
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    count = int(sys.argv[2])
    pages = int(open("/proc/self/statm").read().split()[0]) if os.path.exists("/proc/self/statm") else 0
    if pages and "asan" not in os.environ.get("LD_PRELOAD", ""):
        limit = pages * resource.getpagesize() + 2**30  # what would take gigabytes fails at once
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    outcomes: collections.Counter[str] = collections.Counter()
    called: set[str] = set()

    @hypothesis.settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(st.integers(0, 2**32 - 1))
    def run(seed: int) -> None:
        os.ftruncate(log, 0)
        os.lseek(log, 0, os.SEEK_SET)
        os.write(log, f"seed {seed}\n".encode())
        fuzzer = Fuzzer(seed, log)
        fuzzer.program()
        outcomes.update(fuzzer.outcomes)

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        before = allocated()
        run()
        libgnn.set_float32_matmul_precision("highest")
        gc.collect()
        after = allocated()
        os.chdir("/")
    print(f"{sum(outcomes.values())} calls of {len(FUNCTIONS)} signatures:", dict(sorted(outcomes.items())))
    if after != before:
        raise SystemExit(f"{after - before} bytes of tensors are left over")


if __name__ == "__main__":
    main()
