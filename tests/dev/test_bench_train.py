"""Tests of the scripts behind ./dev bench train, without measuring anything: a program acts as gnn_train_bench and as
a Python with PyTorch."""

import json
import os
import sys
import unittest
import xml.dom.minidom
from unittest import mock

from bench_scripts import Scripts, common, train, write_program

import training_report

WORKER = f"""#!{sys.executable} -IS
import json, pathlib, sys
if sys.argv[1:2] == ["-c"]:
    sys.exit(0)
name = pathlib.Path(sys.argv[0]).name
torch = name == "python"
state = pathlib.Path(sys.argv[0]).parent
def say(**content):
    print(json.dumps(content), flush=True)
say(framework=name, version="1", import_seconds=0.5, folder=str(state / "package"), libraries=[str(state / "lib.so")])
for line in sys.stdin:
    command, *argument = line.split()
    if (state / "dies").exists() and torch:
        print("Segmentation fault", file=sys.stderr)
        sys.exit(139)
    if (state / "refuses").exists() and not torch:
        say(error="no such thing")
        sys.exit(1)
    speed = 2 if torch else 1
    if torch and "--channels-last" in sys.argv:
        speed = 4
    if command in ("steps", "infer", "mnist_steps"):
        say(wall=0.001 * speed * int(argument[0]), cpu=0.003 * speed * int(argument[0]), peak_memory=1000 * speed)
    elif command == "losses":
        wrong = 1e-3 if torch and (state / "wrong").exists() else 0
        losses = [2.0 - 0.1 * i for i in range(int(argument[0]))]
        losses[-1] *= 1 + wrong + 1e-6 * torch
        say(losses=losses, inference_losses=losses)
    elif command == "mnist":
        say(batches=938, images=60000)
    elif command == "accuracy":
        say(accuracy=0.985)
    else:
        say(peak_memory=1)
"""


class Training(Scripts):
    def setUp(self):
        super().setUp()
        self.program = write_program(self.folder / "gnn_train_bench", WORKER)
        self.python = write_program(self.folder / "python", WORKER)
        (self.folder / "package").mkdir()
        (self.folder / "package/module.py").write_bytes(bytes(700))
        (self.folder / "lib.so").write_bytes(bytes(300))

    def arguments(self, *more):
        return ("--program", self.program, "--quick", "--threads", "1", *more)

    def test_ratios(self):
        files = [self.folder / name for name in ("ratios.json", "facts.json", "ratios.svg")]
        options = ("--net", "lenet5", "--net", "mlp", "--json", files[0], "--facts", files[1], "--picture", files[2])
        out = self.run_script(train, *self.arguments(*options), GNN_TORCH_PYTHON=str(self.python))[0]
        self.assertIn("2.00 … 2.00", out)
        ratios = json.loads(files[0].read_text())
        self.assertEqual(len(ratios), 2 * 2 * 2 + 2 * 2 * 2)  # LeNet-5 in two layouts; the MLP at two batch sizes
        for record in ratios:
            self.assertEqual(record["ratio"], 4 if record["layout"] == "channels_last" else 2)
            self.assertEqual((record["ratio_min"], record["ratio_max"]), (record["ratio"],) * 2)
            speed = 1e3 * record["batch"] / (3 if record["clock"] == "cpu" else 1)
            self.assertAlmostEqual(record["libgnn_images_per_second"], speed)
            self.assertAlmostEqual(record["pytorch_images_per_second"], speed / record["ratio"])
            self.assertEqual((record["rounds"], record["threads"]), (5, 1))
        self.assertEqual(
            {(r["net"], r["mode"]) for r in ratios if r["batch"] == 512}, {("mlp", "train"), ("mlp", "inference")}
        )
        facts = json.loads(files[1].read_text())
        self.assertEqual(facts["pytorch_bytes"], 1000)
        self.assertEqual(facts["libgnn_program_bytes"], self.program.stat().st_size)
        picture = xml.dom.minidom.parse(str(files[2]))
        self.assertEqual(len(picture.getElementsByTagName("rect")), 1 + 8)  # by processor time alone

    def test_readme(self):
        readme = self.folder / "README.md"
        readme.write_text(f"before\n{training_report.BEGIN}\nold\n{training_report.END}\nafter\n")
        record = dict.fromkeys(("libgnn_images_per_second", "pytorch_images_per_second"), 1000.0)
        record.update(
            net="mlp",
            batch=64,
            threads=1,
            mode="train",
            layout="default",
            clock="cpu",
            ratio=2.0,
            ratio_min=1.5,
            ratio_max=3.0,
        )
        keys = (
            "start_seconds",
            "first_step_seconds",
            "first_step_peak_memory",
            "program_bytes",
            "library_bytes",
            "bytes",
        )
        facts = {f"{name}_{key}": 1.0 for name in ("libgnn", "pytorch") for key in keys}
        facts.update(machine="M", libgnn_version="1", pytorch_version="2", date="D", busy_cores=None, rounds=5)
        training_report.update_readme([record], facts, readme)
        text = readme.read_text()
        self.assertIn("| MLP 784-512-256-10 | 64 | 1 | training | 1,000 | 1,000 | **2.00** (1.50 … 3.00) |  |", text)
        self.assertNotIn("old", text)
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
        readme.write_text("no place")
        with self.assertRaises(common.BenchmarkError):
            training_report.update_readme([record], facts, readme)

    def test_mnist(self):
        mnist = self.folder / "data/mnist"
        mnist.mkdir(parents=True)
        for name in (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte",
        ):
            (mnist / name).touch()
        facts = {}
        options = mock.Mock(threads=[1], accuracy=True)
        with mock.patch.dict(os.environ, GNN_DATA_DIR=str(self.folder / "data")):
            with mock.patch.object(train.training_facts, "MOST_EPOCHS", 1):
                train.training_facts.add_mnist(facts, train.Programs(self.program, self.python), options)
        entry = facts["mnist"][0]
        self.assertAlmostEqual(entry["libgnn_epoch_seconds"], 0.938)
        self.assertAlmostEqual(entry["pytorch_epoch_seconds"], 2 * 0.938)
        self.assertAlmostEqual(entry["libgnn_seconds_to_98"], 0.093)
        self.assertIsNone(entry["pytorch_seconds_to_99"])

    def test_errors(self):
        one = self.arguments("--net", "mlp")
        torch = {"GNN_TORCH_PYTHON": str(self.python)}
        (self.folder / "wrong").touch()
        self.assertIn("the two do not compute the same: losses of step 4", self.fails(train, *one, **torch))
        (self.folder / "wrong").unlink()
        (self.folder / "dies").touch()
        self.assertIn("torch_train.py ended: Segmentation fault", self.fails(train, *one, **torch))
        (self.folder / "dies").unlink()
        (self.folder / "refuses").touch()
        self.assertIn("gnn_train_bench: no such thing", self.fails(train, *one, **torch))
        self.assertIn("it has no PyTorch", self.fails(train, *one, GNN_TORCH_PYTHON=str(self.folder / "none")))
        with mock.patch.object(train, "find_torch_python", return_value=None):
            self.assertIn("./dev bench train --install-torch", self.fails(train, *one))
        self.program.unlink()
        self.assertIn("cannot start", self.fails(train, *one, **torch))

    def test_a_reference_blas_is_no_opponent(self):
        library = self.folder / "blas/libblas.so.3"
        library.parent.mkdir()
        library.write_bytes(bytes(4096))
        (self.folder / "torch.py").write_text(
            f"import mmap\nwith open({str(library)!r}) as file:\n"
            "    library = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n",
            encoding="utf-8",
        )
        torch = {"GNN_TORCH_PYTHON": sys.executable, "PYTHONPATH": str(self.folder)}
        error = self.fails(train, *self.arguments("--net", "mlp"), **torch)
        self.assertIn(f"multiplies matrices by {library}, which is no fair opponent", error)
        self.assertIn("libopenblas0-pthread", error)


if __name__ == "__main__":
    unittest.main()
