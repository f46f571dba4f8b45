"""Stacked trials: do copies of a model that are trained as one, each with its own rate, pay?

    python -m benchmarks.stacked [--task cifar10-class:automobile --data-dir DIR] [--device cuda]

Plain SGD on finetune's loss for 2, 4 and 8 copies with different learning rates on the same batches:
alone, one copy after another, and stacked, all of them in one step by torch.func.vmap. The arms take
turns; the table shows medians, and how far the weights of the two arms are apart in the end. Both
compute in float32: under vmap torch's batch normalisation takes no mixed types.
"""

from __future__ import annotations

import argparse
import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.report import RESULTS, show, write
from tasks.compute.meters import Stopwatch
from tasks.datasets.splits import Batch, ResidentSource, Split
from tasks.models import build_model
from tasks.models.network import Network
from tasks.task import Task
from tasks.unlearners.base import cross_entropy, step

Row = dict[str, Any]
Weights = dict[str, Tensor]
RATES = (1e-4, 1e-2)
"""Between these the copies' learning rates are spread."""


def main() -> None:
    """Measure every count of copies, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--copies", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "stacked.parquet")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    task = Task.named(options.task, options.model, device=device.type)
    dataset = task.load(options.data_dir)
    split = Split(ResidentSource(dataset.train, device), torch.arange(len(dataset.train)), dataset)
    model = build_model(task.model, dataset, device)
    model.compute_dtype = torch.float32
    model.initialise(split.sample(1000, torch.Generator().manual_seed(0)), torch.Generator())
    batches = first(split, options.steps, options.batch_size)
    rows = [compared(model, count, batches, options.repeats) for count in options.copies]
    write([{**row, "task": task.name, "model": task.model} for row in rows], options.out)
    show(
        f"{options.steps} steps of {task.model}, {options.threads} threads, {options.device}",
        ["copies", "stacked is so many times faster", "alone s", "stacked s", "apart by"],
        [
            [
                str(row["copies"]),
                f"{row['alone'] / row['stacked']:.2f}",
                f"{row['alone']:.2f}",
                f"{row['stacked']:.2f}",
                f"{row['difference']:.1g}",
            ]
            for row in rows
        ],
    )


def first(split: Split, count: int, batch_size: int) -> list[Batch]:
    """So many training batches, from as many passes as it takes."""
    rng = torch.Generator().manual_seed(0)
    passes = (batch for _ in itertools.count() for batch in split.batches(batch_size, rng))
    return [next(passes) for _ in range(count)]


def compared(model: Network, count: int, batches: list[Batch], repeats: int) -> Row:
    """Median seconds of both arms, and the largest difference between the weights they end with."""
    rates = [RATES[0] * (RATES[1] / RATES[0]) ** (i / max(1, count - 1)) for i in range(count)]
    seconds: dict[str, list[float]] = {"alone": [], "stacked": []}
    ends: dict[str, list[dict[str, Tensor]]] = {}
    for _ in range(repeats + 1):
        for arm, learn in ARMS.items():
            clock = Stopwatch(batches[0][0].device)
            with clock.measure():
                ends[arm] = learn(model, rates, batches)
            seconds[arm].append(clock.seconds)
    pairs = zip(ends["alone"], ends["stacked"], strict=True)
    apart = max(float((a[n] - b[n]).abs().max()) for a, b in pairs for n in a)
    # The first of each compiles kernels.
    return {"copies": count, **{a: median(s[1:]) for a, s in seconds.items()}, "difference": apart}


def alone(model: Network, rates: list[float], batches: list[Batch]) -> list[Weights]:
    """One copy after another; the weights that each ends with."""
    ends: list[Weights] = []
    for rate in rates:
        mine = copy.deepcopy(model).train()
        optimizer = torch.optim.SGD(mine.parameters(), rate)
        for x, y in batches:
            step(optimizer, cross_entropy(mine(x), y))
        ends.append({name: p.detach() for name, p in mine.named_parameters()})
    return ends


def stacked(model: Network, rates: list[float], batches: list[Batch]) -> list[Weights]:
    """All copies in one step each; the weights that each ends with."""
    copies: list[nn.Module] = [copy.deepcopy(model).train() for _ in rates]
    stack, buffers = stack_module_state(copies)
    trained = {name for name, tensor in model.named_parameters() if tensor.requires_grad}
    moved = {name: tensor.detach() for name, tensor in stack.items() if name in trained}
    frozen = {name: tensor.detach() for name, tensor in stack.items() if name not in trained}
    speed = torch.tensor(rates, device=batches[0][0].device)

    def loss(
        mine: Weights, fixed: Weights, state: Weights, x: Tensor, y: Tensor
    ) -> tuple[Tensor, Weights]:
        state = {name: tensor.clone() for name, tensor in state.items()}
        said = functional_call(copies[0], ({**mine, **fixed}, state), (x,))
        return cross_entropy(said, y), state

    gradients = vmap(grad(loss, has_aux=True), in_dims=(0, 0, 0, None, None))
    for x, y in batches:
        found, buffers = gradients(moved, frozen, buffers, x, y)
        for name, gradient in found.items():
            each = speed.view(-1, *[1] * (gradient.dim() - 1))
            moved[name] = moved[name] - each * gradient
    ends = {**moved, **frozen}
    return [{name: tensor[i] for name, tensor in ends.items()} for i in range(len(rates))]


ARMS: dict[str, Callable[[Network, list[float], list[Batch]], list[Weights]]] = {
    "alone": alone,
    "stacked": stacked,
}

if __name__ == "__main__":
    main()
