"""What `./dev bench train` reports beside the ratios: start, sizes, memory, and training on MNIST."""

import os
import pathlib
import statistics
import time

from common import BenchmarkError, busy_cores, cores, processor, today

STARTS = 3
GOALS = (0.98, 0.99)
MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MOST_EPOCHS = 20
CHECKS_PER_EPOCH = 10  # of the accuracy


def describe(programs, options):
    busy = busy_cores()  # before anything of ours runs
    starts = {name: [start(make) for _ in range(STARTS)] for name, make in makers(programs, 1).items()}
    hello = starts["pytorch"][0]["hello"]
    facts = {
        "machine": f"{cores()} cores of {processor()}",
        "date": today(),
        "busy_cores": busy,
        "libgnn_version": starts["libgnn"][0]["hello"]["version"],
        "pytorch_version": hello["version"],
        "rounds": options.rounds,
        "libgnn_program_bytes": os.path.getsize(options.program),
        "libgnn_library_bytes": os.path.getsize(options.library) if options.library else None,
        "pytorch_bytes": size_of_torch(hello["folder"], hello["libraries"]),
        "pytorch_import_seconds": statistics.median(s["hello"]["import_seconds"] for s in starts["pytorch"]),
    }
    for name, measured in starts.items():
        facts[f"{name}_start_seconds"] = statistics.median(s["start"] for s in measured)
        facts[f"{name}_first_step_seconds"] = statistics.median(s["first_step"] for s in measured)
        facts[f"{name}_first_step_peak_memory"] = statistics.median(s["peak_memory"] for s in measured)
    return facts


def makers(programs, batches):
    """LeNet at batch 64 and one thread."""
    arguments = (1, "--net", "lenet", "--batch", 64, "--batches", batches)
    return {"libgnn": lambda: programs.libgnn(*arguments), "pytorch": lambda: programs.torch(*arguments)}


def start(make):
    """From before the process exists until it answers, and until one training step is done."""
    begin = time.perf_counter()
    with make() as worker:
        started = time.perf_counter() - begin
        answer = worker.tell("steps", 1)
        first_step = time.perf_counter() - begin
        return {"start": started, "first_step": first_step, "hello": worker.hello, "peak_memory": answer["peak_memory"]}


def size_of_torch(folder, libraries):
    """Bytes of the package's folder and of its libraries elsewhere; not of what those depend on."""
    folder = pathlib.Path(folder).resolve()
    files = {path.resolve() for path in folder.rglob("*") if path.is_file()}
    files |= {pathlib.Path(path).resolve() for path in libraries}
    return sum(path.stat().st_size for path in files)


def find_mnist():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    for folder in (os.environ.get("GNN_DATA_DIR"), pathlib.Path(cache, "libgnn")):
        mnist = pathlib.Path(folder, "mnist") if folder else None
        if mnist and all((mnist / f).exists() or (mnist / f"{f}.gz").exists() for f in MNIST_FILES):
            return mnist
    return None


def add_mnist(facts, programs, options):
    """Seconds of an epoch, and with --accuracy until the test images are classified so well."""
    folder = find_mnist()
    if folder is None:
        if options.accuracy:
            raise BenchmarkError("--accuracy needs MNIST: ./dev data mnist gets it")
        facts["mnist"] = "not found (./dev data mnist gets it)"
        return
    facts["mnist"] = []
    for threads in options.threads:
        pair = {"libgnn": programs.libgnn, "pytorch": programs.torch}
        with pair["libgnn"](threads, "--net", "lenet") as a, pair["pytorch"](threads, "--net", "lenet") as b:
            workers = {"libgnn": a, "pytorch": b}
            entry = {"threads": threads, "net": "lenet", "batch": 64}
            for name, worker in workers.items():
                entry["batches"] = worker.tell("mnist", folder)["batches"]
            entry.update(train_on_mnist(workers, entry["batches"], options.accuracy))
            facts["mnist"].append(entry)


def train_on_mnist(workers, batches, accuracy):
    """In turn, a tenth of an epoch each; the time is that of the training steps alone."""
    seconds = dict.fromkeys(workers, 0.0)
    reached = {f"{name}_seconds_to_{goal * 100:.0f}": None for name in workers for goal in GOALS if accuracy}
    result = {}
    for part in range(MOST_EPOCHS * CHECKS_PER_EPOCH):
        begin, end = (batches * p // CHECKS_PER_EPOCH for p in (part % CHECKS_PER_EPOCH, part % CHECKS_PER_EPOCH + 1))
        for name, worker in workers.items():
            seconds[name] += worker.tell("mnist_steps", end - begin)["wall"]
            if not accuracy:
                continue
            got = worker.tell("accuracy")["accuracy"]
            for goal in GOALS:
                key = f"{name}_seconds_to_{goal * 100:.0f}"
                if got >= goal and reached[key] is None:
                    reached[key] = seconds[name]
        if part + 1 == CHECKS_PER_EPOCH:
            result = {f"{name}_epoch_seconds": seconds[name] for name in workers}
        if part + 1 >= CHECKS_PER_EPOCH and all(value is not None for value in reached.values()):
            break
    return {**result, **reached}
