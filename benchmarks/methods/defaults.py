"""Which methods a sweep that names none runs, by the tables: a test holds the program's own list to it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.methods.comparison import RIVAL, Comparison, Method
from orchestrator.config import DEFAULT_TRIALS_PER_SLOT
from orchestrator.reporting.durations import spell_duration
from tasks.task import Task
from tasks.unlearners import unlearner_class

PROMISED_SECONDS = {"digits": 300.0, "cifar10-small": 900.0, "cifar10": 2400.0}
"""What the trials of a default sweep may take on a CPU, by data set."""
MOST = 8
"""Methods in the set."""
SLOWEST = 3.0
"""How many times as long as a trial of finetune a trial may take, in each table."""


@dataclass(frozen=True)
class Proposal:
    """A method of the proposed set."""

    method: str
    score: float
    """The mean over the tables of the mean score over the seeds."""
    seconds: float
    """Seconds of the search with it and those before, as a share of what is promised, in the worst table."""


def propose_defaults(comparisons: Sequence[Comparison]) -> list[Proposal]:
    """Return finetune, with which every paper compares, and the methods of the highest mean score.

    The score is that of the confirmed point: accuracy × indistinguishability × (1 − cost), on the validation half.
    A method counts if it was recommended in a table, was confirmed in all of them with every seed, needs nothing
    but the two sets, and is not much slower than finetune. One that would break the promise of time is left out. Empty
    if a table lacks finetune.
    """
    known = [found for found in comparisons if _dataset(found) in PROMISED_SECONDS]
    tables = [{method.name: method for method in found.methods} for found in known]
    if not known or not all(RIVAL in table and _seconds(table, RIVAL) for table in tables):
        return []
    names = [n for n in tables[0] if n != RIVAL and _is_candidate(n, tables)]
    ranked = sorted(names, key=lambda name: -_mean_score(name, tables))
    chosen: list[str] = []
    for name in [RIVAL, *ranked]:
        if len(chosen) < MOST and _share(known, tables, [*chosen, name]) <= 1:
            chosen.append(name)
    return [
        Proposal(name, _mean_score(name, tables), _share(known, tables, chosen[: place + 1]))
        for place, name in enumerate(chosen)
    ]


def explain_defaults(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield lines for a person: the proposed set, the score of each method, and what the set takes."""
    found = propose_defaults(comparisons)
    if not found:
        yield "no default set can be proposed: no method was confirmed on a data set with a promise of time"
        return
    promised = ", ".join(f"{name} {spell_duration(s)}" for name, s in PROMISED_SECONDS.items())
    yield f"methods for a sweep that names none, by mean score (the promise of time, without the models: {promised}):"
    for proposal in found:
        yield f"  {proposal.method}: {proposal.score:.3f}, {proposal.seconds:.0%} of the time so far"


def _is_candidate(name: str, tables: Sequence[dict[str, Method]]) -> bool:
    if unlearner_class(name).needs or not all(name in table for table in tables):
        return False
    models = [table[name].over_seeds for table in tables]
    paces = [_seconds(table, name) / _seconds(table, RIVAL) for table in tables]
    is_whole = all(model.repeats and model.tried == set(model.repeats) for model in models)
    is_recommended = any(table[name].is_recommended for table in tables)
    return is_whole and is_recommended and max(paces) <= SLOWEST


def _mean_score(name: str, tables: Sequence[dict[str, Method]]) -> float:
    return statistics.fmean(table[name].mean_score for table in tables)


def _seconds(table: dict[str, Method], name: str) -> float:
    return float(table[name].about["seconds_per_trial"] or 0.0)


def _share(
    comparisons: Sequence[Comparison], tables: Sequence[dict[str, Method]], names: Sequence[str]
) -> float:
    """Return the seconds of a default search over what is promised, in the worst table."""
    shares = []
    for found, table in zip(comparisons, tables, strict=True):
        dataset = _dataset(found)
        per_slot = DEFAULT_TRIALS_PER_SLOT[dataset, "cpu"]
        each = sum(_seconds(table, name) for name in names)
        shares.append(each * per_slot / PROMISED_SECONDS[dataset])
    return max(shares)


def _dataset(found: Comparison) -> str:
    return Task.named(found.task, found.model, 0).dataset
