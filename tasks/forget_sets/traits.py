"""What a forget set does beyond naming examples: on it depends which metrics have a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tasks.forget_sets.updates.base import DataUpdate

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.base import ForgetSet

Trait = Literal[
    "classes", "errors", "confusion", "trigger", "update", "relabelling", "parts", "persons"
]
LACKING: dict[Trait, str] = {
    "classes": "no class is forgotten as a whole there",
    "errors": "its forget set teaches no wrong labels",
    "confusion": "its forget set mixes up no two classes",
    "trigger": "its forget set plants no trigger",
    "update": "its request brings no new examples",
    "relabelling": "its request corrects no labels",
    "parts": "its forget set names no subclasses and no persons",
    "persons": "its forget set names no persons",
}
"""Each trait, and what is said of a task without it."""


def is_confusion(errors: tuple[tuple[int, int], ...]) -> bool:
    """Tell whether taught errors, pairs (true class, class given), mix up two classes and no others."""
    return len(errors) == 2 and errors[0] == errors[1][::-1]


def list_traits(forgotten: ForgetSet, dataset: Dataset) -> set[Trait]:
    """List the traits that show before any model is trained, but for "classes"."""
    errors = forgotten.taught_errors(dataset)
    found: dict[Trait, bool] = {
        "errors": bool(errors),
        "confusion": is_confusion(errors),
        "parts": forgotten.kin_labels(dataset.train) is not None,
        "persons": forgotten.of_persons,
        "trigger": forgotten.add_trigger(dataset.held_out.images[:1]) is not None,
        "update": isinstance(forgotten, DataUpdate),
        "relabelling": isinstance(forgotten, DataUpdate) and forgotten.corrects_labels,
    }
    return {trait for trait, present in found.items() if present}
