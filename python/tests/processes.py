"""Programs that tests start and interrupt."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

# A shell has its background jobs ignore Ctrl-C, which their children would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """subprocess.Popen of text; a program that does not end by itself is killed at the end."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()
