"""The content keys of a task's models: a process knows them without its data on a device, and without a training."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class ModelKeys:
    """What decides the keys of a task's models."""

    task: Task
    dataset: Dataset
    """As loaded, before the requests change it."""
    dtype: str
    """Of the forward pass, such as "float32"."""
    hardware: str
    """See `spell_hardware`."""
    mask: np.ndarray | None
    """What is forgotten, boolean (N,); it must be given if a model chose it."""

    def find(self, role: str, start: str | None = None) -> str:
        """Return the key of the original model, of a reference, or of a need that is trained.

        `start` is the key of the weights that take the original's place, if any do.
        """
        about = self.dataset, self.dtype, self.hardware
        if role == ORIGINAL:
            return start or self.task.original_key(*about)
        if NEEDS.has(role):
            need = type(trained_need(role))
            left_out = {"without": self.find(RETRAINED)} if need.of_forget_set else {}
            source = source_version(*files_of(need, Need), inspect.getfile(Need))
            original = self.find(ORIGINAL, start)
            return content_key(role=role, original=original, source=source, **left_out)
        return self.task.retrained_key(*about, reference_number(role), mask=self.mask)
