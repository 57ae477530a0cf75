"""What tests of the scripts behind ./dev bench share."""

import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "benchmarks/scripts"))

import common  # noqa: E402
import kernels  # noqa: E402
import train  # noqa: E402


def write_program(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


class Scripts(unittest.TestCase):
    def setUp(self):
        for module in (kernels, train.training_facts):  # a second each
            patch = mock.patch.object(module, "busy_cores", return_value=0.5)
            patch.start()
            self.addCleanup(patch.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_script(self, module, *arguments, status=0, **environment):
        """Its standard output and error, when it ends as expected; an error is one line."""
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = common.run_main(lambda: module.main([str(a) for a in arguments]))
        self.assertEqual(got, status, out.getvalue() + err.getvalue())
        return out.getvalue(), err.getvalue()

    def fails(self, module, *arguments, **environment):
        err = self.run_script(module, *arguments, status=1, **environment)[1]
        last = err.strip().splitlines()[-1]
        self.assertTrue(last.startswith("dev bench: "), err)
        self.assertNotIn("Traceback", err)
        return last
