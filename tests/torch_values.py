#!/usr/bin/python3
"""Writes tests/data/torch_values.json: results and gradients of PyTorch for every differentiable op.

An independent witness: a formula that both back ends share cannot confirm itself. Computed in float64 with
PyTorch 1.13 from inputs of four decimals. Run it only to add an op or a case; the file is committed:

    /usr/bin/python3 tests/torch_values.py        # Debian's python3-torch
"""

import json
import pathlib

import torch
import torch.nn.functional as F

CASES = []


def tensor(*shape, low=-2.0, high=2.0):
    values = low + (high - low) * torch.rand(*shape, dtype=torch.float64)
    return (values * 1e4).round() / 1e4


def distinct(*shape):
    count = int(torch.tensor(shape).prod())
    return (torch.randperm(count).double() / 8 - count / 16 + 0.0625).reshape(*shape)


def as_json(t):
    return {"shape": list(t.shape), "values": t.detach().double().reshape(-1).tolist()}


def case(op, function, inputs, arguments=None, constants=()):
    """One record; inputs get gradients, constants (labels, weights) do not."""
    leaves = [t.clone().requires_grad_() for t in inputs]
    output = function(*leaves, *constants)
    cotangent = tensor(*output.shape) if output.dim() else torch.tensor(1.5, dtype=torch.float64)
    output.backward(cotangent)
    CASES.append(
        {
            "op": op,
            "arguments": arguments or {},
            "inputs": [as_json(t) for t in inputs],
            "constants": [as_json(t) for t in constants],
            "output": as_json(output),
            "cotangent": as_json(cotangent),
            "gradients": [as_json(t.grad) for t in leaves],
        }
    )


def element_wise():
    wide = torch.tensor([-30.0, -5.0, -1.0, -0.1, 0.1, 1.0, 5.0, 30.0], dtype=torch.float64)
    for name, function in {
        "relu": F.relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "silu": F.silu,
        "neg": torch.neg,
        "exp": torch.exp,
        "abs": torch.abs,
        "square": torch.square,
        "sin": torch.sin,
        "cos": torch.cos,
    }.items():
        case(name, function, [tensor(3, 5)])
        if name not in ("exp", "square"):
            case(name, function, [wide])
    for name, function in {"log": torch.log, "sqrt": torch.sqrt, "reciprocal": torch.reciprocal}.items():
        case(name, function, [tensor(3, 5, low=0.1, high=3.0)])
    case("leaky_relu", lambda x: F.leaky_relu(x, 0.2), [wide], {"negative_slope": 0.2})
    case("elu", lambda x: F.elu(x, 1.3), [wide], {"alpha": 1.3})
    case("softplus", lambda x: F.softplus(x, 2.0), [wide], {"beta": 2.0})
    case("gelu", F.gelu, [wide], {"approximate": "none"})
    case("gelu", lambda x: F.gelu(x, approximate="tanh"), [wide], {"approximate": "tanh"})
    for name, function in {
        "add": torch.add,
        "sub": torch.sub,
        "mul": torch.mul,
        "div": torch.div,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
    }.items():
        case(name, function, [tensor(2, 3, 4), tensor(2, 3, 4)])
        case(name, function, [tensor(2, 1, 4), tensor(3, 1)])
        case(name, function, [tensor(4), tensor(2, 3, 4)])
    case("pow", torch.pow, [tensor(2, 3, low=0.2), tensor(3)])


def reductions():
    x = distinct(2, 3, 4)
    for axes in ([0], [1], [2], [0, 2], [0, 1, 2]):
        for keepdim in (False, True):
            arguments = {"axes": axes, "keepdim": keepdim}
            case("sum", lambda t: t.sum(axes, keepdim), [x], arguments)
            case("mean", lambda t: t.mean(axes, keepdim), [x], arguments)
            case("max", lambda t: torch.amax(t, axes, keepdim), [x], arguments)
    for axis in (0, 1, -1):
        case("softmax", lambda t: F.softmax(t, axis), [tensor(3, 4, 2)], {"axis": axis})
        case("log_softmax", lambda t: F.log_softmax(t, axis), [tensor(3, 4, 2)], {"axis": axis})
    case("transpose", lambda t: t.transpose(-1, -2).contiguous(), [tensor(2, 3, 4)])


def losses():
    logits = tensor(6, 5, low=-4, high=4)
    labels = torch.tensor([0, 4, 2, -100, 1, 4])
    weight = tensor(5, low=0.2, high=2.0)
    for smoothing in (0.0, 0.1):
        for weighted in (False, True):
            for reduction in ("mean", "sum", "none"):
                constants = (labels, weight) if weighted else (labels,)

                def loss(x, target, w=None):
                    return F.cross_entropy(x, target, w, label_smoothing=smoothing, reduction=reduction)

                case("cross_entropy", loss, [logits], {"label_smoothing": smoothing, "reduction": reduction}, constants)
    for reduction in ("mean", "sum", "none"):
        arguments = {"reduction": reduction}
        pair = [tensor(3, 4), tensor(3, 4)]
        case("mse_loss", lambda a, b: F.mse_loss(a, b, reduction=reduction), pair, arguments)
        case("l1_loss", lambda a, b: F.l1_loss(a, b, reduction=reduction), pair, arguments)


def matrices():
    case("matmul", torch.matmul, [tensor(3, 4), tensor(4, 5)])
    case("matmul", torch.matmul, [tensor(2, 3, 4), tensor(2, 4, 5)])
    case("linear", F.linear, [tensor(3, 4), tensor(5, 4), tensor(5)])
    case("linear", F.linear, [tensor(2, 3, 4), tensor(5, 4)])
    for stride, padding, dilation, groups, bias in (
        ((1, 1), (0, 0), (1, 1), 1, True),
        ((2, 1), (1, 2), (1, 1), 1, False),
        ((1, 2), (2, 0), (2, 1), 2, True),
        ((1, 1), (1, 1), (1, 1), 4, True),
    ):
        weight = tensor(4, 4 // groups, 3, 2)
        inputs = [tensor(2, 4, 5, 6), weight] + ([tensor(4)] if bias else [])
        case(
            "conv2d",
            lambda x, w, b=None: F.conv2d(x, w, b, stride, padding, dilation, groups),
            inputs,
            {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
        )


def pooling():
    for kernel, stride, padding, dilation, ceil_mode in (
        ((2, 2), (2, 2), (0, 0), (1, 1), False),
        ((3, 2), (1, 2), (1, 1), (1, 1), False),
        ((2, 2), (3, 3), (0, 0), (1, 1), False),
        ((3, 3), (2, 2), (1, 1), (1, 1), True),
        ((2, 2), (1, 1), (0, 0), (2, 2), False),
    ):
        arguments = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        case(
            "max_pool2d",
            lambda x: F.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode),
            [distinct(1, 2, 6, 7)],
            arguments | {"dilation": dilation},
        )
        if dilation != (1, 1):
            continue
        for include_pad in (True, False):
            case(
                "avg_pool2d",
                lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil_mode, include_pad),
                [tensor(1, 2, 6, 7)],
                arguments | {"count_include_pad": include_pad},
            )


def main():
    torch.manual_seed(20)
    element_wise()
    reductions()
    losses()
    matrices()
    pooling()
    target = pathlib.Path(__file__).parent / "data" / "torch_values.json"
    lines = ",\n".join(json.dumps(record) for record in CASES)
    target.write_text(f"[\n{lines}\n]\n")
    print(f"{len(CASES)} cases, {target.stat().st_size} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
