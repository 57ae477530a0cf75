#!/usr/bin/env python3
"""PyTorch's times for cases of gnn_bench, under the same names; ./dev gpu puts them beside libgnn's.

Prints NAME<tab>NANOSECONDS lines and, at the end, the training speed of LeNet. As gnn_bench does: float32 without
TensorFloat-32, a synchronisation after every call, gradients of all inputs. An argument is the device (cuda:0).
"""

import sys
import time

import torch
import torch.nn.functional as F

device = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cuda:0")
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.manual_seed(1)


def random(*shape):
    return torch.rand(shape, device=device) * 2 - 1


def labels(count, classes):
    return torch.randint(classes, (count,), device=device)


# Name: function, inputs with gradients.
CASES = {
    "gemm/64x500x800": (lambda a, b: a @ b.T, (random(64, 800), random(500, 800))),
    "gemm/1024x1024x1024": (lambda a, b: a @ b, (random(1024, 1024), random(1024, 1024))),
    "linear/64x800_to_500": (F.linear, (random(64, 800), random(500, 800), random(500))),
    "linear/64x500_to_10": (F.linear, (random(64, 500), random(10, 500), random(10))),
    "linear/256x4096_to_4096": (F.linear, (random(256, 4096), random(4096, 4096), random(4096))),
    "conv2d/lenet_conv1_64": (F.conv2d, (random(64, 1, 28, 28), random(20, 1, 5, 5), random(20))),
    "conv2d/lenet_conv2_64": (F.conv2d, (random(64, 20, 12, 12), random(50, 20, 5, 5), random(50))),
    "conv2d/3x3_64_channels": (
        lambda x, w, b: F.conv2d(x, w, b, padding=1),
        (random(16, 64, 56, 56), random(64, 64, 3, 3), random(64)),
    ),
    "max_pool2d/lenet_pool1": (lambda x: F.max_pool2d(x, 2), (random(64, 20, 24, 24),)),
    "max_pool2d/lenet_pool2": (lambda x: F.max_pool2d(x, 2), (random(64, 50, 8, 8),)),
    "max_pool2d/pairs_large": (lambda x: F.max_pool2d(x, 2), (random(128, 64, 56, 56),)),
    "max_pool2d/resnet_stem_large": (
        lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
        (random(32, 64, 112, 112),),
    ),
    "softmax/softmax_digits_64x10": (lambda x: F.softmax(x, 1), (random(64, 10),)),
    "softmax/softmax_words_1024x16384": (lambda x: F.softmax(x, 1), (random(1024, 16384),)),
    "cross_entropy/digits_64x10": (
        lambda x, y=labels(64, 10): F.cross_entropy(x, y),
        (random(64, 10),),
    ),
    "cross_entropy/words_4096x16384": (
        lambda x, y=labels(4096, 16384): F.cross_entropy(x, y),
        (random(4096, 16384),),
    ),
    "reduce/sum_rows_4096x4096": (lambda x: x.sum(1), (random(4096, 4096),)),
    "reduce/sum_columns_4096x4096": (lambda x: x.sum(0), (random(4096, 4096),)),
    "dropout/16M": (lambda x: F.dropout(x, 0.5), (random(1 << 24),)),
}


def synchronize():
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def nanoseconds(call, seconds=0.1):
    """Mean time of a call, after warming up."""
    for _ in range(5):
        call()
        synchronize()
    rounds = 0
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        call()
        synchronize()
        rounds += 1
    return (time.perf_counter() - begin) / rounds * 1e9


def measure(name, function, inputs):
    def forward():
        with torch.no_grad():
            function(*inputs)

    print(f"{name}/{device}/forward\t{nanoseconds(forward):.1f}", flush=True)
    leaves = [x.requires_grad_() for x in inputs]
    cotangent = torch.rand_like(function(*leaves))

    def training():
        for leaf in leaves:
            leaf.grad = None
        function(*leaves).backward(cotangent)

    print(f"{name}/{device}/forward+backward\t{nanoseconds(training):.1f}", flush=True)


def lenet_images_per_second(batch=64):
    """Training steps of the LeNet of examples/lenet_mnist, on one batch that is on the device already."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 20, 5), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(20, 50, 5), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(800, 500), torch.nn.ReLU(), torch.nn.Linear(500, 10),
    ).to(device)  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, targets = random(batch, 1, 28, 28), labels(batch, 10)
    for timed in (False, True):
        synchronize()
        begin = time.perf_counter()
        for _ in range(500 if timed else 50):
            optimizer.zero_grad()
            F.cross_entropy(net(images), targets).backward()
            optimizer.step()
        synchronize()
    return 500 * batch / (time.perf_counter() - begin)


for case_name, (case_function, case_inputs) in CASES.items():
    measure(case_name, case_function, case_inputs)
print(f"PyTorch {torch.__version__}: LeNet, {lenet_images_per_second():.0f} images/s (one batch, on the device)")
