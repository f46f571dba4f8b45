"""The mask of a task's forget set: chosen once for a storage root, if a model has to choose it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.errors import InvalidValue, UnusableChoice
from tasks.forget_sets.scored.base import ScoredForgetSet, Scores
from tasks.sequences.timeline import whole_step
from tasks.storage.roots import open_root

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.datasets.dataset import Dataset
    from tasks.task import Task


@dataclass(frozen=True, eq=False)
class Choice:
    """The training examples that a task forgets."""

    mask: np.ndarray
    """Boolean (N,)."""
    seconds: float = 0.0
    """What choosing took in this process, the training of scoring models included."""


def choose_examples(
    task: Task, dataset: Dataset, root: str | Path, make_scores: Callable[[], Scores]
) -> Choice:
    """Return the mask of the task's forget set: computed, or from the storage at `root`.

    A choice by a model differs between machines in its last bits, hence all use the one that was stored
    first. Raises UnusableChoice if the chosen examples are too few, or such that no attacker could judge them.
    """
    forgotten = task.forgotten
    if not isinstance(forgotten, ScoredForgetSet):
        return Choice(task.find_step(dataset).forget)
    storage, name = open_root(root), f"{task.mask_key(dataset)}.mask"
    start = time.perf_counter()
    mask = read_choice(task, dataset, root)
    if mask is not None:
        return Choice(mask)
    try:
        mask = forgotten.choose(dataset, make_scores())
    except InvalidValue as error:
        raise UnusableChoice(str(error)) from error
    _check_choice(task, dataset, mask)
    content = encode_mask(mask)
    if not storage.create(name, content):
        first = read_choice(task, dataset, root)
        if first is None:  # damaged
            storage.write(name, content)
        else:
            mask = first
    return Choice(mask, time.perf_counter() - start)


def read_choice(task: Task, dataset: Dataset, root: str | Path) -> np.ndarray | None:
    """Return the mask (N,) of the task's forget set as far as it is known: None if a model has yet to choose it.

    Raises UnusableChoice as `choose_examples` does: the task of the stored one may have had larger halves.
    """
    if not isinstance(task.forgotten, ScoredForgetSet):
        return task.find_step(dataset).forget
    stored = open_root(root).read(f"{task.mask_key(dataset)}.mask")
    mask = decode_mask(stored, len(dataset.train))
    if mask is not None:
        _check_choice(task, dataset, mask)
    return mask


def _check_choice(task: Task, dataset: Dataset, mask: np.ndarray) -> None:
    try:
        task.check_step(dataset, whole_step(mask))
    except InvalidValue as error:
        raise UnusableChoice(str(error)) from error


def encode_mask(mask: np.ndarray) -> bytes:
    """Write a boolean mask (N,) as one byte an example, behind a line with its SHA-256."""
    content = mask.astype(np.uint8).tobytes()
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def decode_mask(stored: bytes | None, count: int) -> np.ndarray | None:
    """Read what `encode_mask` wrote of `count` examples; None if it is absent, truncated or altered."""
    digest, _, content = (stored or b"").partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest or len(content) != count:
        return None
    return np.frombuffer(content, np.uint8).astype(bool)
