#!/usr/bin/env python3
"""Writes tests/data/torch_optimizers.h: what PyTorch's optimizers and learning-rate schedules compute.

Run it with a Python that has PyTorch (Debian: python3-torch) when a variant is added; the header is committed.
Parameters and gradients are exact in binary and come from formulas that tests/test_optimizer.cpp repeats.
"""

import pathlib
import warnings

import torch

STEPS = 10
SIZES = [4, 3]  # two parameters; the second has no gradient in every third step


def start(tensor, i):
    return ((7 * i + 3 * tensor) % 16 - 8) / 8


def gradient(tensor, step, i):
    return ((5 * i + 11 * step + 13 * tensor) % 32 - 16) / 16


def parameters(make):
    """All parameters, in float64, after STEPS steps of the optimizer that `make` returns."""
    tensors = [
        torch.tensor([start(t, i) for i in range(size)], dtype=torch.float64, requires_grad=True)
        for t, size in enumerate(SIZES)
    ]
    optimizer = make(tensors)
    for step in range(STEPS):
        for t, tensor in enumerate(tensors):
            if t == 1 and step % 3 == 2:
                tensor.grad = None
            else:
                tensor.grad = torch.tensor(
                    [gradient(t, step, i) for i in range(SIZES[t])], dtype=torch.float64)
        optimizer.step()
    return [value for tensor in tensors for value in tensor.tolist()]


def rates(make, lr=0.5, steps=12):
    """The learning rates of steps 0 … steps-1 under the schedule that `make` returns."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule = make(optimizer)
    result = []
    for _ in range(steps):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return result


def warmup(optimizer, after, steps, start_factor):
    schedule = torch.optim.lr_scheduler
    linear = schedule.LinearLR(optimizer, start_factor=start_factor, total_iters=steps)
    return schedule.SequentialLR(optimizer, [linear, after], milestones=[steps])


def clipped(values, max_norm):
    """[norm, clipped gradients …] of two gradients."""
    tensors = [torch.zeros(len(v), dtype=torch.float64, requires_grad=True) for v in values]
    for tensor, value in zip(tensors, values):
        tensor.grad = torch.tensor(value, dtype=torch.float64)
    norm = torch.nn.utils.clip_grad_norm_(tensors, max_norm)
    return [norm.item()] + [g for tensor in tensors for g in tensor.grad.tolist()]


def main():
    optim, schedule = torch.optim, torch.optim.lr_scheduler
    warnings.simplefilter("ignore")  # SequentialLR calls step(epoch) itself
    arrays = {
        "sgd": parameters(lambda p: optim.SGD(p, lr=0.1)),
        "sgd_momentum": parameters(lambda p: optim.SGD(p, lr=0.1, momentum=0.9)),
        "sgd_dampening": parameters(
            lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.25, weight_decay=0.05)),
        "sgd_nesterov": parameters(
            lambda p: optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.05)),
        "adam": parameters(lambda p: optim.Adam(p)),
        "adam_weight_decay": parameters(
            lambda p: optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
        "adamw": parameters(lambda p: optim.AdamW(p)),
        "adamw_options": parameters(
            lambda p: optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
        "step_lr": rates(lambda o: schedule.StepLR(o, step_size=4, gamma=0.3)),
        "exponential_lr": rates(lambda o: schedule.ExponentialLR(o, gamma=0.7)),
        "cosine_lr": rates(lambda o: schedule.CosineAnnealingLR(o, T_max=5, eta_min=0.02)),
        "warmup_step_lr": rates(
            lambda o: warmup(o, schedule.StepLR(o, step_size=2, gamma=0.3), 4, 0.25)),
        "warmup_cosine_lr": rates(
            lambda o: warmup(o, schedule.CosineAnnealingLR(o, T_max=6), 5, 1.0 / 3)),
        "clip_grad_norm": clipped([[3.0, -4.0], [12.0]], 6.5),
        "clip_grad_norm_below": clipped([[3.0, -4.0], [12.0]], 14.0),
        "clip_grad_norm_infinite": clipped([[3.0, float("inf")], [12.0]], 6.5),
        "clip_grad_norm_nan": clipped([[3.0, -4.0], [float("nan")]], 6.5),
    }
    lines = [
        "#pragma once",
        "",
        f"// Written by tests/torch_optimizers.py with PyTorch {torch.__version__}.",
        "",
        "#include <limits>",
        "#include <vector>",
        "",
        "// clang-format off",
        "namespace gnn::testing::torch_values {",
        "",
        "inline constexpr double inf = std::numeric_limits<double>::infinity();",
        "inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();",
        "",
    ]
    for name, values in arrays.items():
        lines.append(f"inline const std::vector<double> {name} = {{")
        for begin in range(0, len(values), 4):
            lines.append("    " + ", ".join(map(repr, values[begin:begin + 4])) + ",")
        lines.append("};")
    lines += ["", "}  // namespace gnn::testing::torch_values", ""]
    target = pathlib.Path(__file__).parent / "data" / "torch_optimizers.h"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
