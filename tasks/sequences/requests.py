"""The requests that a task's name spells, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import InvalidValue
from tasks.forget_sets import forget_set
from tasks.forget_sets.base import ForgetSet
from tasks.forget_sets.scored.base import ScoredForgetSet

STEP_STRIDE = 1_000_000_000
"""Between the seeds of two requests, of what they choose and of their trials."""


def step_seed(seed: int, step: int) -> int:
    """Give the seed of request `step`, from 1; the first has `seed` itself, as a single request."""
    return seed + STEP_STRIDE * (step - 1)


def split_requests(name: str) -> list[str]:
    """Split a sequence at its semicolons; raises InvalidValue for an empty part."""
    parts = [part.strip() for part in name.split(";")]
    if len(parts) > 1 and not all(parts):
        empty = parts.index("") + 1
        raise InvalidValue(
            f"task {name!r}: part {empty} of {len(parts)} is empty; the form of a sequence is "
            "DATASET-KIND:ARGUMENT;KIND:ARGUMENT;…"
        )
    return parts


def build_requests(specs: Sequence[str], seed: int) -> tuple[ForgetSet, ...]:
    """Build each KIND:ARGUMENT with a seed of its own.

    Raises InvalidValue for an unknown kind, a bad argument, or a kind that no sequence can have.
    """
    built = []
    for step, spec in enumerate(specs, 1):
        request = forget_set(spec, step_seed(seed, step))
        if len(specs) > 1 and isinstance(request, ScoredForgetSet):
            raise InvalidValue(
                f"{spec} needs a scoring model, which no sequence has; valid: a kind that needs none (see "
                "docs/forget-sets.md), or the request alone"
            )
        built.append(request)
    return tuple(built)


def is_sequence(name: str) -> bool:
    """Tell whether a task's name spells several requests; raises InvalidValue for an empty one."""
    return len(split_requests(name)) > 1


def refuse_sequence(name: str, who: str) -> None:
    """Raise InvalidValue if a task's name spells several requests, which `who` does not take."""
    if is_sequence(name):
        raise InvalidValue(
            f"{who} takes a single request, and {name!r} is a sequence; valid: its first request alone, or "
            f"`orchestrator run --task {name!r} --unlearner NAME` (Python: orchestrator.run_sequence)"
        )
