"""The two halves of the training benchmark: processes that are told commands and answer in JSON, a line each."""

import json
import os
import subprocess

from common import BenchmarkError


class Worker:
    """A process; it has said hello when the constructor returns."""

    def __init__(self, command, threads, what):
        self.what = what
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS="1")
        environment.pop("OMP_WAIT_POLICY", None)  # each library's own way of waiting
        try:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        except OSError as error:
            raise BenchmarkError(f"{what}: cannot start {command[0]}: {error.strerror}") from None
        try:
            self.hello = self._read()
        except BenchmarkError:
            self.close()
            raise

    def tell(self, *words):
        """Sends a command; the answer."""
        try:
            self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it is gone: what it said last is read below
        return self._read()

    def _read(self):
        line = self.process.stdout.readline()
        try:
            answer = json.loads(line)
        except ValueError:
            errors = self.process.communicate()[1].strip().splitlines() if not line else [line.strip()]
            raise BenchmarkError(f"{self.what} ended: {errors[-1] if errors else 'it said nothing'}") from None
        if "error" in answer:
            raise BenchmarkError(f"{self.what}: {answer['error']}")
        return answer

    def close(self):
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass  # what could not be sent is of no interest
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
