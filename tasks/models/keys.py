"""The content key of a task's model: a process knows it without the data on a device, and without a training."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING

from tasks.needs import NEEDS, trained_need
from tasks.needs.base import Need
from tasks.provenance import content_key, files_of, source_version
from tasks.roles import ORIGINAL, RETRAINED, reference_number

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.task import Task


def spell_hardware(device: str, threads: int) -> str:
    """Spell what decides the weights of a training: a device type, and for a CPU the number of threads.

    The number of threads decides in which order a CPU adds up.
    """
    return f"{device}-{threads}" if device == "cpu" else device


def find_model_key(
    task: Task,
    dataset: Dataset,
    role: str,
    *,
    dtype: str,
    hardware: str,
    mask: np.ndarray | None,
    start: str | None = None,
) -> str:
    """Return the artifact key of the original model, of a reference, or of a need that is trained.

    `dataset` is as loaded, before the requests change it. `dtype` is that of the forward pass, such as "float32"; for
    `hardware` see `spell_hardware`. `mask`, boolean (N,), is what is forgotten; it must be given if a model chose
    it. `start` is the key of the weights that take the original's place, if any do.
    """
    if role == ORIGINAL:
        return start or task.original_key(dataset, dtype, hardware)
    if not NEEDS.has(role):
        return task.retrained_key(dataset, dtype, hardware, reference_number(role), mask=mask)

    def find_other(other: str) -> str:
        about = {"dtype": dtype, "hardware": hardware, "mask": mask, "start": start}
        return find_model_key(task, dataset, other, **about)  # type: ignore[arg-type]

    need = type(trained_need(role))
    more = {"without": find_other(RETRAINED)} if need.of_forget_set else {}
    if task.original is not None:  # its key is the hash of a file, and says nothing of a training
        more["training"] = find_training_key(task, dataset, dtype=dtype, hardware=hardware)
    source = source_version(*files_of(need, Need), inspect.getfile(Need))
    return content_key(role=role, original=find_other(ORIGINAL), source=source, **more)


def find_training_key(task: Task, dataset: Dataset, *, dtype: str, hardware: str) -> str:
    """Return the key that the original has where it is trained, also for a task that is given one.

    It names all that decides a training on what the original knows.
    """
    trained = dataclasses.replace(task, original=None)
    return trained.original_key(dataset, dtype, hardware)
