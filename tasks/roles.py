"""The models of a task: the original, those retrained without the forget set, and those that choose it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tasks.errors import InvalidValue

ORIGINAL, RETRAINED = "original", "retrained"
REFERENCE = "reference-"
SCORING, EARLY, MEMORISATION = "scoring", "early-", "memorisation-"
SHADOW, REPEAT = "shadow-", "repeat-"
SEED_STRIDE = 1_000_000
"""Between the training seeds of a task's references: tasks whose seeds are neighbours share none."""
SCORING_OFFSET = SEED_STRIDE // 2
"""Between the training seeds of the original and of the scoring model."""
MEMORISATION_OFFSET = SEED_STRIDE // 8
"""Between the training seeds of the original and of the first model that memorisation is read from."""
SHADOW_OFFSET, REPEAT_OFFSET = SEED_STRIDE // 4, 3 * SEED_STRIDE // 4
"""Between the training seeds of the original and of the first shadow model, and of the first repeat."""
OFFSETS = {
    EARLY: SCORING_OFFSET,
    MEMORISATION: MEMORISATION_OFFSET,
    SHADOW: SHADOW_OFFSET,
    REPEAT: REPEAT_OFFSET,
}
"""By the beginning of a numbered role."""


@dataclass(frozen=True)
class GivenOriginal:
    """An original model that the user gives as a file of weights, instead of one that is trained."""

    key: str
    """Content hash of the weights; it is their artifact key."""
    file: str
    """Where they came from."""


FEWEST = 2
"""References that can be held against each other."""
FEWEST_HALVED = 4
"""References whose halves can be held against each other: repeats are trained for these."""


def check_count(references: int) -> None:
    """Raise InvalidValue unless so many references can be held against each other; 0 stands for none."""
    if references != 0 and references < FEWEST:
        raise InvalidValue(
            f"{references} references: each is held against the others; valid: 0 (none), {FEWEST} or more"
        )


def reference_role(number: int) -> str:
    """Spell the role of reference `number`, from 0: the first is the retrained model."""
    return f"{REFERENCE}{number}" if number else RETRAINED


def reference_number(role: str) -> int:
    """Give the number that `reference_role` spelt; 0 for the original too."""
    return int(role.removeprefix(REFERENCE)) if role.startswith(REFERENCE) else 0


def early_role(number: int) -> str:
    """Spell the role of scoring model `number`, from 1, of those that are trained for a part of their epochs."""
    return f"{EARLY}{number}"


def memorisation_role(number: int) -> str:
    """Spell the role of scoring model `number`, from 1, of those that are trained on a part of the examples."""
    return f"{MEMORISATION}{number}"


def shadow_role(number: int) -> str:
    """Spell the role of shadow model `number`, from 0: trained without its own part of the examples."""
    return f"{SHADOW}{number}"


def repeat_role(number: int) -> str:
    """Spell the role of repeat `number`, from 0: the original with another seed."""
    return f"{REPEAT}{number}"


def list_further_roles(needs: Collection[str], shadows: int, references: int) -> tuple[str, ...]:
    """List the roles of the models that metrics with such needs read; of repeats half as many as `references`."""
    count = references // 2 if "repeats" in needs and references >= FEWEST_HALVED else 0
    trained = map(shadow_role, range(shadows if "shadows" in needs else 0))
    return *trained, *map(repeat_role, range(count))


def is_further_role(role: str) -> bool:
    """Tell whether a role is that of a shadow model or of a repeat."""
    return role.startswith((SHADOW, REPEAT))


def training_seed(role: str, task_seed: int) -> int:
    """Give the seed that a model is trained with; the task's own for the original and the retrained one."""
    for prefix, offset in OFFSETS.items():
        if role.startswith(prefix):
            return task_seed + offset + SEED_STRIDE * int(role.removeprefix(prefix))
    if role == SCORING:
        return task_seed + SCORING_OFFSET
    return task_seed + SEED_STRIDE * reference_number(role)
