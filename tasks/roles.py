"""The models that a task is judged by: the original, and those that were retrained without the forget set."""

from __future__ import annotations

from tasks.errors import InvalidValue

ORIGINAL, RETRAINED = "original", "retrained"
REFERENCE = "reference-"
SEED_STRIDE = 1_000_000
"""Between the training seeds of a task's references: tasks whose seeds are neighbours share none."""


FEWEST = 2
"""References that can be held against each other."""


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


def training_seed(role: str, task_seed: int) -> int:
    """Give the seed that a model is trained with; the task's own for the original and the retrained one."""
    return task_seed + SEED_STRIDE * reference_number(role)
