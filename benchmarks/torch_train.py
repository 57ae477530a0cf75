#!/usr/bin/env python3
"""PyTorch's half of `./dev bench train`: gnn_train_bench.cpp says what the commands on standard input are.

Instead of `save FILE` there is `load FILE`. PyTorch gets what is fastest there: gradients that are set to None,
inference mode, and MNIST as one normalised tensor that batches are indexed out of.
"""

import argparse
import json
import resource
import sys
import time

_begin = time.perf_counter()
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - _begin


class LeNet(nn.Module):
    """Caffe's, as gnn::LeNet."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x):
        x = F.max_pool2d(self.conv2(F.max_pool2d(self.conv1(x), 2)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class LeNet5(nn.Module):
    """As gnn::LeNet5 with relu and max pooling."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


def mlp(dropout):
    layers = [nn.Flatten()]
    sizes = [784, 512, 256, 10]
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        layers.append(nn.Linear(n_in, n_out))
        if i + 2 < len(sizes):
            layers.append(nn.ReLU())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def cifar():
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4096, 10),
    )  # fmt: skip


NETS = {
    "lenet": (lambda options: LeNet(), (1, 28, 28)),
    "lenet5": (lambda options: LeNet5(), (1, 28, 28)),
    "mlp": (lambda options: mlp(options.dropout), (1, 28, 28)),
    "cifar": (lambda options: cifar(), (3, 32, 32)),
}


def read_safetensors(path):
    """8 bytes with the header's length, the header in JSON, the data."""
    dtypes = {"F32": torch.float32, "I64": torch.int64}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(data[begin:end], dtype=dtypes[entry["dtype"]])
            tensors[name] = flat.clone().reshape(entry["shape"])
    return tensors


def read_idx(directory, stem, header_bytes):
    import gzip
    import pathlib

    for name, opener in ((stem, open), (stem + ".gz", gzip.open)):
        path = pathlib.Path(directory, name)
        if path.exists():
            with opener(path, "rb") as file:
                return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8, offset=header_bytes)
    raise FileNotFoundError(f"there is no {stem} or {stem}.gz in {directory}")


class Worker:
    def __init__(self, options):
        self.batch = options.batch
        self.layout = torch.channels_last if options.channels_last else torch.contiguous_format
        make, image = NETS[options.net]
        self.net = make(options)
        generator = torch.Generator().manual_seed(1)
        samples = options.batches * options.batch
        self.set_data(
            torch.randn((samples, *image), generator=generator),
            torch.randint(10, (samples,), generator=generator),
            self.net.state_dict(),
        )

    def set_data(self, inputs, labels, state):
        self.inputs = [x.contiguous(memory_format=self.layout) for x in inputs.split(self.batch)]
        self.labels = list(labels.split(self.batch))
        self.initial = {name: value.clone() for name, value in state.items()}
        self.reset()

    def reset(self):
        self.net.load_state_dict(self.initial)
        self.net.to(memory_format=self.layout).train()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step(self, inputs, labels):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.net(inputs), labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def timed(self, count, function):
        wall, cpu = time.perf_counter(), time.process_time()
        for i in range(count):
            function(i)
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    def step_on(self, i):
        i %= len(self.inputs)
        return self.step(self.inputs[i], self.labels[i])

    def load(self, path):
        tensors = read_safetensors(path)
        self.set_data(tensors.pop("inputs"), tensors.pop("labels"), tensors)
        return {}

    def losses(self, count):
        self.reset()
        self.net.eval()
        with torch.inference_mode():
            batches = list(zip(self.inputs, self.labels))[: int(count)]
            before = [F.cross_entropy(self.net(x), y).item() for x, y in batches]
        self.net.train()
        return {"losses": [self.step_on(i).item() for i in range(int(count))], "inference_losses": before}

    def steps(self, count):
        self.reset()
        return self.timed(int(count), self.step_on)

    def infer(self, count):
        self.net.eval()
        with torch.inference_mode():
            return self.timed(int(count), lambda i: self.net(self.inputs[i % len(self.inputs)]))

    def mnist(self, directory):
        train = read_idx(directory, "train-images-idx3-ubyte", 16).float() / 255
        std, mean = (x.item() for x in torch.std_mean(train.double(), unbiased=False))
        test = read_idx(directory, "t10k-images-idx3-ubyte", 16).float() / 255
        shape = (-1, 1, 28, 28)
        self.train_images = ((train - mean) / std).reshape(shape).contiguous(memory_format=self.layout)
        self.test_images = ((test - mean) / std).reshape(shape).contiguous(memory_format=self.layout)
        self.train_labels = read_idx(directory, "train-labels-idx1-ubyte", 8).long()
        self.test_labels = read_idx(directory, "t10k-labels-idx1-ubyte", 8).long()
        self.reset()
        torch.manual_seed(1)
        self.order = iter(())
        batches = -(-len(self.train_labels) // self.batch)
        return {"batches": batches, "images": len(self.train_labels)}

    def mnist_step(self, _):
        chosen = next(self.order, None)
        if chosen is None:
            self.order = iter(torch.randperm(len(self.train_labels)).split(self.batch))
            chosen = next(self.order)
        self.step(self.train_images[chosen], self.train_labels[chosen])

    def mnist_steps(self, count):
        self.net.train()
        return self.timed(int(count), self.mnist_step)

    def accuracy(self, _=None):
        self.net.eval()
        with torch.inference_mode():
            chunks = zip(self.test_images.split(1000), self.test_labels.split(1000))
            correct = sum((self.net(x).argmax(1) == y).sum().item() for x, y in chunks)
        return {"accuracy": correct / len(self.test_labels)}


COMMANDS = ("load", "losses", "steps", "infer", "mnist", "mnist_steps", "accuracy")


def answer(content):
    print(json.dumps(content), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description="PyTorch's half of ./dev bench train; commands come on standard input."
    )
    parser.add_argument("--net", choices=NETS, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, default=16, help="different batches")
    parser.add_argument("--dropout", type=float, default=0.5, help="of the MLP")
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()
    answer(
        {
            "framework": "PyTorch",
            "version": torch.__version__,
            "import_seconds": IMPORT_SECONDS,
            "folder": torch.__path__[0],
            "libraries": loaded_libraries(),
        }
    )
    try:
        torch.set_num_threads(options.threads)
        worker = Worker(options)
        for line in sys.stdin:
            command, *arguments = line.split(None, 1)
            if command not in COMMANDS:
                raise ValueError(f'unknown command "{command}"')
            content = getattr(worker, command)(*(a.strip() for a in arguments))
            answer({**content, "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
    except Exception as error:  # the driver says it
        answer({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def loaded_libraries():
    """Files of PyTorch's own libraries in this process: some packages put them outside its folder."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if ".so" in line}
    return sorted(p for p in paths if any(part in p.rsplit("/", 1)[1] for part in ("torch", "libc10")))


if __name__ == "__main__":
    sys.exit(main())
