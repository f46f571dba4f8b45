"""A file of weights as the original model: checked, measured, and kept with the trained models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from tasks.artifacts import ArtifactCache
from tasks.datasets.splits import ResidentSource, Split
from tasks.errors import Diverged, InvalidValue
from tasks.evaluation.outputs import outputs
from tasks.models import build_model
from tasks.models.checkpoint import fit_weights, hash_weights, read_weights
from tasks.roles import GivenOriginal

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset
    from tasks.models.network import Network
    from tasks.task import Task

CPU = torch.device("cpu")
MEASURED = 1_000
"""Held-out images, evenly spaced, on which its accuracy is measured: a standard error of at most 1.6 points."""
NEAR_CHANCE = 0.1
"""Share of the way from chance to a perfect accuracy below which a warning is given."""


def adopt_original(
    task: Task,
    dataset: Dataset,
    file: Path,
    artifacts: str,
    say: Callable[[str], None],
    known: str | None = None,
) -> Task:
    """Return the task with the weights in `file` as its original model, kept under the root `artifacts`.

    `known` is the key of the weights that a sweep began with; if the file is gone, the copy of them serves. Says
    what the accuracy is. Raises InvalidValue, in one line: for a file that cannot be read, weights of another
    model, others than the known ones, and a forget set that changes what the original is trained on.
    """
    check_trained_on_all(task, dataset)
    cache = ArtifactCache(artifacts)
    if not file.is_file():
        if known is None or cache.load(known) is None:
            what = "it is a folder" if file.is_dir() else "there is no such file"
            raise InvalidValue(f"--original {file}: {what}")
        say(f"NOTICE: --original {file} is gone; its weights are kept in {artifacts}")
        return dataclasses.replace(task, original=GivenOriginal(known, str(file)))
    model = build_model(task.model, dataset, CPU, torch.float32)
    what = f"--original {file} does not fit --model {task.model} on {dataset.name}"
    state = fit_weights(read_weights(file), model.state_dict(), what)
    key = hash_weights(state)
    if known not in (None, key):
        raise InvalidValue(
            f"--original {file} holds other weights ({key}) than the sweep began with ({known}): restore the file, "
            "or choose another --name"
        )
    model.load_state_dict(state)
    for line in describe_accuracy(model, dataset, f"original model: {file} ({key})"):
        say(line)
    cache.get(key, lambda is_over: (state, None))
    return dataclasses.replace(task, original=GivenOriginal(key, str(file)))


def check_trained_on_all(task: Task, dataset: Dataset) -> None:
    """Raise InvalidValue if the task's original knows other data than the data set as it was loaded."""
    if task.change(dataset) is not dataset:
        does = "changes the data that the original is trained on"
    elif not task.known_first(dataset).all():
        does = "holds images back from the original"
    else:
        return
    raise InvalidValue(f"--original: {task.name} {does}, so that it must be trained")


def describe_accuracy(model: Network, dataset: Dataset, what: str) -> list[str]:
    """Measure a model on held-out images; return a line about `what`, and a notice if it is near chance.

    Raises InvalidValue if its outputs are not finite.
    """
    accuracy, count = measure_accuracy(model, dataset)
    shares = np.bincount(dataset.held_out.labels) / len(dataset.held_out)
    chance = float(shares.max())
    lines = [f"{what}, accuracy {accuracy:.4f} on {count} held-out images"]
    if accuracy < chance + NEAR_CHANCE * (1 - chance):
        lines.append(
            f"NOTICE: that is near chance ({chance:.4f}): are its classes in another order, or its images "
            f"normalised otherwise than by mean {dataset.mean} and deviation {dataset.std} of pixels in [0, 1]?"
        )
    return lines


def measure_accuracy(model: Network, dataset: Dataset) -> tuple[float, int]:
    """Return the share of MEASURED held-out images that a model on the CPU classifies rightly, and their number.

    Raises InvalidValue if its outputs are not finite.
    """
    total = len(dataset.held_out)
    places = np.unique(np.linspace(0, total - 1, min(MEASURED, total)).astype(int))
    split = Split(ResidentSource(dataset.held_out, CPU), torch.from_numpy(places), dataset)
    try:
        return float(outputs(model, split).correct.mean()), len(places)
    except Diverged as error:
        raise InvalidValue(f"--original: {error}") from error
