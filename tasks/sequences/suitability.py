"""What the requests of a task do, and which methods can follow them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets import forgotten_classes, traits_of
from tasks.forget_sets.traits import Trait, list_traits
from tasks.needs import list_trained

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset
    from tasks.task import Task
    from tasks.unlearners.base import Unlearner


def find_traits(task: Task, dataset: Dataset) -> set[Trait]:
    """Find what a task's request does beyond naming examples; of all requests together if they are judged so."""
    if not task.joint:
        return traits_of(dataset, task.forget_set, task.seed)
    step, found = task.find_step(dataset), list_traits(task.forgotten, dataset)
    found -= {"update", "relabelling"}
    found |= {"update"} if step.new.any() else set()
    found |= {"relabelling"} if step.stale is not None else set()
    gone = forgotten_classes(task.change(dataset), step.forget, step.retain)
    return found | ({"classes"} if gone else set())


def check_method(first: Task, dataset: Dataset, method: type[Unlearner]) -> None:
    """Raise InvalidValue for a method that cannot follow a sequence, before anything is trained."""
    name, count = method.__name__, len(first.requests)
    trained = list_trained(method.needs)
    if trained and count > 1:
        raise InvalidValue(
            f"{name} needs {', '.join(trained)} of the original's training; the later requests of a sequence start "
            "from an unlearned model, which has none; valid: a method without such a need"
        )
    data = first.change(dataset)
    for task in first.steps() if method.class_forgetting and count > 1 else ():
        step = task.find_step(dataset)
        if not forgotten_classes(data, step.forget, step.retain):
            raise InvalidValue(f"{name} forgets whole classes alone; {task.title} empties none")
