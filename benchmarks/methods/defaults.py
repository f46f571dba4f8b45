"""Which methods a sweep that names none runs, by the tables: a test holds the program's own list to it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.methods.comparison import RIVAL, Comparison
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
    if not known or not all(RIVAL in found.by_name and _seconds(found, RIVAL) for found in known):
        return []
    names = [n for n in known[0].by_name if n != RIVAL and _is_candidate(n, known)]
    ranked = sorted(names, key=lambda name: -_mean_score(name, known))
    chosen: list[Proposal] = []
    for name in [RIVAL, *ranked]:
        share = _share(known, [*(proposal.method for proposal in chosen), name])
        if len(chosen) < MOST and share <= 1:
            chosen.append(Proposal(name, _mean_score(name, known), share))
    return chosen


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


def _is_candidate(name: str, known: Sequence[Comparison]) -> bool:
    if unlearner_class(name).needs or not all(name in found.by_name for found in known):
        return False
    methods = [found.by_name[name] for found in known]
    paces = [_seconds(found, name) / _seconds(found, RIVAL) for found in known]
    is_whole = all(m.over_seeds.repeats and m.over_seeds.is_whole for m in methods)
    is_recommended = any(method.is_recommended for method in methods)
    return is_whole and is_recommended and max(paces) <= SLOWEST


def _mean_score(name: str, known: Sequence[Comparison]) -> float:
    return statistics.fmean(found.by_name[name].mean_score for found in known)


def _seconds(found: Comparison, name: str) -> float:
    return float(found.by_name[name].about["seconds_per_trial"] or 0.0)


def _share(known: Sequence[Comparison], names: Sequence[str]) -> float:
    """Return the seconds of a default search over what is promised, in the worst table."""
    shares = []
    for found in known:
        dataset = _dataset(found)
        per_slot = DEFAULT_TRIALS_PER_SLOT[dataset, "cpu"]
        each = sum(_seconds(found, name) for name in names)
        shares.append(each * per_slot / PROMISED_SECONDS[dataset])
    return max(shares)


def _dataset(found: Comparison) -> str:
    return Task.named(found.task, found.model, 0).dataset
