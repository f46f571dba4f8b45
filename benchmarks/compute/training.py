"""Time to the original model: CIFAR-10 from nothing to an accuracy, models in turn in one run.

    python -m benchmarks.compute.training --data-dir DIR [--models airbench94,airbench94-paper] [--seeds 3]

Trains each model on the whole training split by its own recipe and measures it on all held-out
images, both halves, without test-time augmentation. `airbench94-paper` is none of ours, but the fastest
trainer that the field knows, as its author trains it: see benchmarks/compute/airbench94.py. Seconds are those of
training, the clock stopped while it is measured. `--every` measures after each epoch too; only the state
after the last one is a trained model.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.compute import airbench94
from benchmarks.report import RESULTS, show, write
from tasks.compute.allocator import keep_freed_memory
from tasks.compute.meters import Stopwatch
from tasks.compute.repeatable import make_repeatable
from tasks.datasets import load_dataset
from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.datasets.splits import ResidentSource, Split
from tasks.evaluation.outputs import outputs
from tasks.models import build_model
from tasks.training import train_model

Row = dict[str, Any]
TARGETS = (0.88, 0.94)
RIVAL = "airbench94-paper"


def main() -> None:
    """Train every model with every seed, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--models", default="resnet9")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--every", action="store_true", help="measure after every epoch")
    parser.add_argument("--out", type=Path, default=RESULTS / "training.parquet")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    dataset = load_dataset(options.dataset, options.data_dir)
    rows = []
    for model in options.models.split(","):
        warm_up(model, dataset, torch.device(options.device))
    for seed in range(options.seeds):
        for model in options.models.split(","):
            for row in trained(model, dataset, torch.device(options.device), seed, options.every):
                rows.append({"seed": seed, "model": model, "device": options.device, **row})
                print(rows[-1], flush=True)
    write(rows, options.out)
    last = [row for row in rows if row["epoch"] == row["epochs"]]
    base = [row["seconds"] for row in last if row["model"] == last[0]["model"]]
    show(
        f"{dataset.name} from nothing, {options.device}, {options.seeds} seeds",
        ["model", f"seconds / {last[0]['model']}'s", "seconds", "epochs", "accuracy", "reaches"],
        [
            line([row for row in last if row["model"] == model], mean(base))
            for model in options.models.split(",")
        ],
    )


def warm_up(name: str, dataset: Dataset, device: torch.device) -> None:
    """Epochs over a few images: the first kernels of a process are loaded and chosen for seconds."""
    rng = torch.Generator().manual_seed(0)
    few = whole(dataset.train, dataset, device).subset(2 * airbench94.BATCH, rng)
    _, _, steps = begun(name, dataset, few, rng)
    for _ in itertools.islice(steps, airbench94.WHITENING_BIAS_EPOCHS + 1):
        pass  # after so many the rival is compiled once more


def begun(
    name: str, dataset: Dataset, split: Split, rng: torch.Generator
) -> tuple[Any, int, Iterator[None]]:
    """A model, its epochs, and its training, which yields after each."""
    torch.backends.cudnn.benchmark = name == RIVAL
    if name == RIVAL:
        torch.backends.cudnn.deterministic = False
        rival = airbench94.initialised(dataset, split, rng)
        return rival, math.ceil(airbench94.EPOCHS), airbench94.trained(rival, split, rng)
    make_repeatable(split.device)  # as in a sweep
    model = build_model(name, dataset, split.device)
    return model, model.recipe.epochs, train_model(model, split, rng)


def trained(
    name: str, dataset: Dataset, device: torch.device, seed: int, every: bool
) -> Iterator[Row]:
    """Train once: a row after the last epoch, or after each."""
    split, held_out = (whole(part, dataset, device) for part in (dataset.train, dataset.held_out))
    clock, rng = Stopwatch(device), torch.Generator().manual_seed(seed)
    model, epochs, steps = begun(name, dataset, split, rng)
    for epoch in range(1, epochs + 1):
        with clock.measure():
            next(steps)
        if every or epoch == epochs:
            accuracy = float(outputs(model, held_out).correct.mean())
            yield {
                "epoch": epoch,
                "epochs": epochs,
                "seconds": clock.seconds,
                "accuracy": accuracy,
            }


def whole(data: LabelledImages, dataset: Dataset, device: torch.device) -> Split:
    """All images of a part of the data set, as one split."""
    return Split(ResidentSource(data, device), torch.arange(len(data)), dataset)


def line(rows: list[Row], base: float) -> list[str]:
    """A line of the table; a target counts if the mean over the seeds reaches it."""
    seconds, accuracies = [r["seconds"] for r in rows], [r["accuracy"] for r in rows]
    spread = f" ± {stdev(accuracies):.4f}" if len(rows) > 1 else ""
    reached = [f"{target:.0%}" for target in TARGETS if mean(accuracies) >= target]
    return [
        rows[0]["model"],
        f"{mean(seconds) / base:.2f}",
        f"{mean(seconds):.1f}",
        str(rows[0]["epochs"]),
        f"{mean(accuracies):.4f}{spread}",
        ", ".join(reached) or "neither",
    ]


if __name__ == "__main__":
    main()
