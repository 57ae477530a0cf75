"""Tests of ./dev bench ab, without building anything: objects act as the modules, with made-up times."""

import ctypes
import unittest
from unittest import mock

from bench_scripts import Scripts

import ab


class Function:
    """What ctypes makes of a module's function, whose result type is set."""

    def __init__(self, call):
        self.call = call
        self.restype = None

    def __call__(self, *arguments):
        return self.call(*arguments)


class Library:
    """A module whose calls take `milliseconds`; `log` gets every call made."""

    def __init__(self, name, log, **milliseconds):
        calls = list(milliseconds)
        self.began_with = None
        self.gnn_ab_begin = Function(self.begin)
        self.gnn_ab_name = Function(lambda i: calls[i].encode())
        self.gnn_ab_run = Function(lambda i: log.append((name, calls[i])) or milliseconds[calls[i]] / 1e3)
        self.count = len(calls)

    def begin(self, threads):
        self.began_with = threads
        return self.count


class Ab(Scripts):
    def setUp(self):
        super().setUp()
        patch = mock.patch.object(ab, "busy_cores", return_value=0.5)
        patch.start()
        self.addCleanup(patch.stop)
        self.log = []
        self.libraries = {
            "old.so": Library("old", self.log, net_step=3.0, conv=2.0, linear=1.0, gone=1.0),
            "new.so": Library("new", self.log, net_step=2.0, conv=2.5, linear=1.0, added=1.0),
        }
        patch = mock.patch.object(ctypes, "CDLL", side_effect=self.load)
        patch.start()
        self.addCleanup(patch.stop)

    def load(self, path):
        if path not in self.libraries:
            raise OSError(f"{path}: cannot open shared object file")
        return self.libraries[path]

    def test_table(self):
        out = self.run_script(ab, "old.so", "new.so", "--rounds", 20, "--threads", 2)[0]
        lines = {line.split()[0]: line.split() for line in out.splitlines()[2:]}
        self.assertEqual(list(lines), ["net_step", "conv", "linear"])  # what both have
        self.assertEqual(lines["net_step"][1:], ["3.000", "2.000", "1.500", "1.500", "…", "1.500", "faster"])
        self.assertEqual(lines["conv"][1:], ["2.000", "2.500", "0.800", "0.800", "…", "0.800", "slower"])
        self.assertEqual(lines["linear"][1:], ["1.000", "1.000", "1.000", "1.000", "…", "1.000"])
        self.assertEqual([library.began_with for library in self.libraries.values()], [2, 2])

    def test_calls_alternate(self):
        self.run_script(ab, "old.so", "new.so", "--rounds", 20, "--filter", "^conv$")
        self.assertEqual({call for _, call in self.log}, {"conv"})
        measured = [name for name, _ in self.log[2 * ab.WARM_UP :]]
        self.assertEqual(measured, ["old", "new", "new", "old"] * 10)

    def test_times_belong_to_their_module(self):
        old, new = (ab.Module(path, 1) for path in self.libraries)
        self.assertEqual(ab.alternate(old, new, "conv", 3), [(0.002, 0.0025)] * 3)

    def test_interval(self):
        # The 40th and the 61st of a hundred: P(40 <= binomial(100, 1/2) < 61) = 0.965.
        self.assertEqual(ab.median_interval(range(1, 101)), (50.5, 40, 61))
        self.assertEqual(ab.median_interval([5, 1, 3]), (3, 1, 5))

    def test_errors(self):
        self.assertIn("none.so is no module", self.fails(ab, "none.so", "new.so"))
        del self.libraries["old.so"].gnn_ab_run
        self.assertIn("old.so is no module", self.fails(ab, "old.so", "new.so"))
        self.libraries["old.so"] = self.libraries["new.so"]
        self.assertIn(
            "no call matches; there are net_step, conv", self.fails(ab, "old.so", "new.so", "--filter", "nothing")
        )
        self.assertIn("--rounds: expected 20 or more, got 19", self.fails(ab, "old.so", "new.so", "--rounds", 19))
        self.assertIn("--threads: expected 1", self.fails(ab, "old.so", "new.so", "--threads", 0))
        self.assertIn("--filter: ", self.fails(ab, "old.so", "new.so", "--filter", "("))


if __name__ == "__main__":
    unittest.main()
