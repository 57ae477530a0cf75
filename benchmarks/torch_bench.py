#!/usr/bin/env python3
"""PyTorch's times for the cases of gnn_bench, under the same names, for ./dev bench and ./dev gpu.

Prints NAME<tab>NANOSECONDS lines: medians of five repetitions with warm caches, as gnn_bench measures them (calls that
follow one another, between two events on CUDA; gradients of all inputs; no TensorFloat-32). On CUDA the training speed
of LeNet comes at the end.
"""

import argparse
import re
import statistics
import sys
import time

import torch
import torch.nn.functional as F

LENET = ((20, 1, 5, 5), (20,), (50, 20, 5, 5), (50,), (500, 800), (500,), (10, 500), (10,))
SIXTEEN_MILLION = 1 << 24
REPETITIONS = 5
SECONDS = {"cpu": 0.05, "cuda": 0.01}  # of a repetition; events are exact, and few kernels there take as long

device = torch.device("cpu")
dtype = torch.float32


def random(*shape):
    return torch.rand(shape, device=device, dtype=dtype) * 2 - 1


def labels(count, classes):
    return torch.randint(classes, (count,), device=device)


def one(function, *shape, make=random):
    """A case of one input: its function and how to make the input."""
    return function, lambda: (make(*shape),)


def positive(*shape):
    return random(*shape) + 1.5


def pair(function, first, second, make=random):
    return function, lambda: (make(*first), make(*second))


def of_labels(samples, classes):
    def make():
        targets = labels(samples, classes)
        return lambda x: F.cross_entropy(x, targets), (random(samples, classes),)

    return make


def convolution(x, w, padding=0):
    return (
        lambda image, weight, bias: F.conv2d(image, weight, bias, padding=padding),
        lambda: (random(*x), random(*w), random(w[0])),
    )


def linear(rows, n_in, n_out):
    return F.linear, lambda: (random(rows, n_in), random(n_out, n_in), random(n_out))


def gather(samples, batch):
    def make():
        images = torch.randint(256, (samples, 1, 28, 28), dtype=torch.uint8, device=device)
        chosen = torch.randint(samples, (batch,), device=device)
        return lambda: (images[chosen].to(dtype) / 255 - 0.13) / 0.31, ()

    return make


def filled(fill, count):
    """A new tensor each time, as libgnn's functions return."""
    return lambda: fill(torch.empty(count, device=device, dtype=dtype)), lambda: ()


def norm_of(shapes):
    def make():
        gradients = [random(*shape) for shape in shapes]
        return lambda: torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients])), ()

    return make


def optimizer_step(make_optimizer, shapes):
    def make():
        parameters = [random(*shape).requires_grad_() for shape in shapes]
        for parameter in parameters:
            parameter.grad = random(*parameter.shape)
        return make_optimizer(parameters).step, ()

    return make


def momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.05)


def with_kernel(kernel, padding=0):
    return {"kernel_size": kernel, "padding": padding}


# CASE: a pair of a function and a function that makes its inputs, or one that makes both.
CASES = {
    "activation/relu_16M": one(F.relu, SIXTEEN_MILLION),
    "adam/adam_lenet": optimizer_step(torch.optim.Adam, LENET),
    "adam/adam_16M": optimizer_step(torch.optim.Adam, ((SIXTEEN_MILLION,),)),
    "avg_pool2d/lenet_pool1": one(lambda x: F.avg_pool2d(x, 2), 64, 6, 28, 28),
    "avg_pool2d/lenet_pool2": one(lambda x: F.avg_pool2d(x, 2), 64, 16, 10, 10),
    "avg_pool2d/resnet_head": one(lambda x: F.avg_pool2d(x, 7), 64, 512, 7, 7),
    "avg_pool2d/pairs_large": one(lambda x: F.avg_pool2d(x, 2), 128, 64, 56, 56),
    "avg_pool2d/overlapping_large": one(lambda x: F.avg_pool2d(x, 3, stride=2, padding=1), 32, 64, 112, 112),
    "binary/mul_feature_maps": pair(torch.mul, (64, 20, 24, 24), (20, 1, 1)),
    "binary/add_8M": pair(torch.add, (1 << 23,), (1 << 23,)),
    "conv2d/lenet_conv1_64": convolution((64, 1, 28, 28), (20, 1, 5, 5)),
    "conv2d/lenet_conv2_64": convolution((64, 20, 12, 12), (50, 20, 5, 5)),
    "conv2d/3x3_64_channels": convolution((16, 64, 56, 56), (64, 64, 3, 3), padding=1),
    "copy/clone_64x500": one(torch.clone, 64, 500),
    "copy/float64_and_back_4M": one(lambda x: x.double().to(dtype), 1 << 22),
    "cross_entropy/digits_64x10": of_labels(64, 10),
    "cross_entropy/words_4096x16384": of_labels(4096, 16384),
    "dropout/64x500": one(lambda x: F.dropout(x, 0.5), 64, 500),
    "dropout/16M": one(lambda x: F.dropout(x, 0.5), SIXTEEN_MILLION),
    "fill/full_64x500": filled(lambda x: x.fill_(-2.5), 32000),
    "fill/full_16M": filled(lambda x: x.fill_(-2.5), SIXTEEN_MILLION),
    "gather_batch/float32_mnist_64": gather(1000, 64),
    "gather_batch/float32_mnist_4096": gather(60000, 4096),
    "gemm/64x500x800": pair(lambda a, b: a @ b.T, (64, 800), (500, 800)),
    "gemm/1024x1024x1024": pair(torch.matmul, (1024, 1024), (1024, 1024)),
    "grad_norm/lenet": norm_of(LENET),
    "grad_norm/16M": norm_of(((SIXTEEN_MILLION,),)),
    "im2col/im2col_lenet_conv2": one(lambda x: F.unfold(x, 5), 64, 20, 12, 12),
    "im2col/col2im_lenet_conv2": one(lambda x: F.fold(x, (12, 12), 5), 64, 500, 64),
    "im2col/im2col_3x3_64_channels": one(lambda x: F.unfold(x, **with_kernel(3, 1)), 16, 64, 56, 56),
    "im2col/col2im_3x3_64_channels": one(lambda x: F.fold(x, (56, 56), **with_kernel(3, 1)), 16, 576, 3136),
    "l1_loss/digits_64x784": pair(F.l1_loss, (64, 784), (64, 784)),
    "l1_loss/16M": pair(F.l1_loss, (SIXTEEN_MILLION,), (SIXTEEN_MILLION,)),
    "linear/64x800_to_500": linear(64, 800, 500),
    "linear/64x500_to_10": linear(64, 500, 10),
    "linear/256x4096_to_4096": linear(256, 4096, 4096),
    "max_pool2d/lenet_pool1": one(lambda x: F.max_pool2d(x, 2), 64, 20, 24, 24),
    "max_pool2d/lenet_pool2": one(lambda x: F.max_pool2d(x, 2), 64, 50, 8, 8),
    "max_pool2d/pairs_large": one(lambda x: F.max_pool2d(x, 2), 128, 64, 56, 56),
    "max_pool2d/resnet_stem_large": one(lambda x: F.max_pool2d(x, 3, stride=2, padding=1), 32, 64, 112, 112),
    "mse_loss/digits_64x784": pair(F.mse_loss, (64, 784), (64, 784)),
    "mse_loss/16M": pair(F.mse_loss, (SIXTEEN_MILLION,), (SIXTEEN_MILLION,)),
    "reduce/sum_bias_gradient_64x500": one(lambda x: x.sum(0), 64, 500),
    "reduce/max_bias_gradient_64x500": one(lambda x: x.amax(0), 64, 500),
    "reduce/sum_bias_gradient_64x20x24x24": one(lambda x: x.sum((0, 2, 3)), 64, 20, 24, 24),
    "reduce/max_bias_gradient_64x20x24x24": one(lambda x: x.amax((0, 2, 3)), 64, 20, 24, 24),
    "reduce/sum_rows_4096x4096": one(lambda x: x.sum(1), 4096, 4096),
    "reduce/sum_columns_4096x4096": one(lambda x: x.sum(0), 4096, 4096),
    "sgd/momentum_lenet": optimizer_step(momentum, LENET),
    "sgd/momentum_16M": optimizer_step(momentum, ((SIXTEEN_MILLION,),)),
    "sum_to/bias_64x500": one(lambda x: x.sum(0) * -2, 64, 500),
    "sum_to/bias_64x20x24x24": one(lambda x: x.sum((0, 2, 3)) * -2, 64, 20, 24, 24),
    "sum_to/bias_4096x2048": one(lambda x: x.sum(0) * -2, 4096, 2048),
    "transpose/weight_500x800": one(lambda x: x.T.contiguous(), 500, 800),
    "transpose/4096x4096": one(lambda x: x.T.contiguous(), 4096, 4096),
    "unary/clamp_64x500": one(lambda x: x.clamp(-0.501, 1.502), 64, 500),
    "unary/square_8M": one(torch.square, 1 << 23),
}
for name in ("relu", "elu", "gelu", "silu"):
    CASES[f"activation/{name}_64x500"] = one(getattr(F, name), 64, 500)
for name in ("sigmoid", "tanh"):
    CASES[f"activation/{name}_64x500"] = one(getattr(torch, name), 64, 500)
CASES["activation/leaky_relu_64x500"] = one(lambda x: F.leaky_relu(x, 0.1), 64, 500)
CASES["activation/gelu_tanh_64x500"] = one(lambda x: F.gelu(x, approximate="tanh"), 64, 500)
CASES["activation/softplus_64x500"] = one(lambda x: F.softplus(x, 2), 64, 500)
for name in ("abs", "ceil", "cos", "exp", "floor", "neg", "round", "sign", "sin", "square"):
    CASES[f"unary/{name}_64x500"] = one(getattr(torch, name), 64, 500)
for name in ("expm1", "log", "log1p", "reciprocal", "rsqrt", "sqrt"):
    CASES[f"unary/{name}_64x500"] = one(getattr(torch, name), 64, 500, make=positive)
for name in ("add", "sub", "mul", "div", "pow", "maximum", "minimum"):
    CASES[f"binary/{name}_64x500"] = pair(getattr(torch, name), (64, 500), (500,), make=positive)
for name in ("softmax", "log_softmax"):
    for size, sizes in (("digits", (64, 10)), ("words", (1024, 16384)), ("pixels", (8, 21, 256, 256))):
        case = f"softmax/{name}_{size}_{'x'.join(map(str, sizes))}"
        CASES[case] = one(lambda x, f=getattr(F, name): f(x, 1), *sizes)
for count, size in ((400000, "500x800"), (SIXTEEN_MILLION, "16M")):
    for width in ("float32", "float64"):
        CASES[f"random/uniform_{width}_{size}"] = filled(lambda x: x.uniform_(-2, 6), count)
        CASES[f"random/normal_{width}_{size}"] = filled(lambda x: x.normal_(0.5, 3), count)


def synchronize():
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(call, rounds):
    if device.type == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(rounds):
            call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e-3
    start = time.perf_counter()
    for _ in range(rounds):
        call()
    return time.perf_counter() - start


def nanoseconds(call):
    """Of a call: the median of the repetitions', after warming up."""
    wanted = SECONDS[device.type]
    rounds = 1
    while (taken := seconds_of(call, rounds)) < wanted / 4:
        rounds = int(rounds * min(10, 1 + wanted / 2 / max(taken, 1e-6))) + 1
    rounds = max(1, round(rounds * wanted / taken))
    return statistics.median(seconds_of(call, rounds) for _ in range(REPETITIONS)) / rounds * 1e9


def forward_call(function, inputs):
    def call():
        function(*inputs)

    return call


def training_call(function, inputs):
    leaves = [x.requires_grad_() for x in inputs]
    cotangent = torch.rand_like(function(*leaves))

    def call():
        for leaf in leaves:
            leaf.grad = None
        function(*leaves).backward(cotangent)

    return call


def measure(name):
    """`name` is OP/CASE/DTYPE/DEVICE/DIRECTION."""
    global dtype
    op, case_name, width, _, direction = name.split("/")
    dtype = getattr(torch, width)
    case = CASES[f"{op}/{case_name}"]
    if isinstance(case, tuple):
        function, inputs = case[0], case[1]()
    else:
        function, inputs = case()
    if direction == "forward+backward":
        result = nanoseconds(training_call(function, inputs))
    else:
        with torch.no_grad():
            result = nanoseconds(forward_call(function, inputs))
    print(f"{name}/warm\t{result:.1f}", flush=True)


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
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(images), targets).backward()
            optimizer.step()
        synchronize()
    return 500 * batch / (time.perf_counter() - begin)


def all_names():
    for case in CASES:
        own = re.match(r"random/\w+_(float\d+)_", case)
        no_gradient = case.startswith(("fill/", "random/", "gather_batch/", "grad_norm/", "im2col/", "sum_to/"))
        directions = ("step",) if case.startswith(("adam/", "sgd/")) else ("forward", "forward+backward")
        for direction in directions[: 1 if no_gradient else 2]:
            yield f"{case}/{own[1] if own else 'float32'}/{device}/{direction}"


def main():
    global device, dtype
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("device", nargs="?", default="cuda:0", help="cpu or cuda:N (default: cuda:0)")
    parser.add_argument("--threads", type=int, help="of the CPU's operations (default: PyTorch's)")
    parser.add_argument(
        "--names-from", metavar="FILE", help="only these (- is standard input): OP/CASE/DTYPE/DEVICE/DIRECTION"
    )
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    names = all_names()
    if options.names_from:
        with sys.stdin if options.names_from == "-" else open(options.names_from, encoding="utf-8") as file:
            names = file.read().split()
    for name in names:
        if "/".join(name.split("/")[:2]) in CASES:
            measure(name)
    if device.type == "cuda":
        dtype = torch.float32
        speed = lenet_images_per_second()
        print(f"PyTorch {torch.__version__}: LeNet, {speed:.0f} images/s (one batch, on the device)")


if __name__ == "__main__":
    main()
