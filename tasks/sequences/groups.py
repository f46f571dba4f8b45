"""Groups of images whose accuracy is followed through a sequence: of each request, and of what stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation import RETAIN_SAMPLE
from tasks.evaluation.accuracy import share_correct
from tasks.evaluation.outputs import outputs
from tasks.forget_sets import forgotten_classes

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset
    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.task import Task
    from tasks.workbench import Workbench

CORE = ("kept, test", "kept, train")
"""What no request concerns: test images of the classes that stay, and training examples that stay."""


@dataclass(frozen=True, eq=False)
class Group:
    """Test images of some classes, or else some training examples."""

    name: str
    classes: tuple[int, ...] = ()
    mask: np.ndarray | None = None
    """The training examples, boolean (N,); None for test images."""

    def images(self, bench: Workbench) -> Split:
        """Return the group's images, read by a bench of the sequence; at most RETAIN_SAMPLE of them."""
        if self.mask is None:
            return bench.test_images(self.classes)
        return bench.examples(self.mask).subset(RETAIN_SAMPLE, bench.generator(0))


def list_groups(task: Task, dataset: Dataset) -> tuple[Group, ...]:
    """List the group of each request of the sequence, then those of CORE.

    A request for whole classes has their test images, which no model is trained on, any other its own training
    examples, with the labels that they had before it.
    """
    timeline = task.timeline(dataset)
    data, groups, emptied = timeline.data, [], set[int]()
    for spec, step in zip(task.requests, timeline.steps, strict=True):
        gone = forgotten_classes(data, step.forget, step.retain)
        emptied |= set(gone)
        whole = gone and np.isin(data.train.labels[step.forget], gone).all()
        groups.append(Group(spec, gone) if whole else Group(spec, mask=step.forget))
    staying = tuple(n for n in range(len(data.classes)) if n not in emptied)
    kept = timeline.steps[0].before & timeline.steps[-1].retain
    return (*groups, Group(CORE[0], staying), Group(CORE[1], mask=kept))


def measure_groups(model: Network, bench: Workbench, groups: tuple[Group, ...]) -> list[float]:
    """Measure a model's accuracy on each group, in [0, 1]."""
    return [share_correct(outputs(model, group.images(bench))) for group in groups]
