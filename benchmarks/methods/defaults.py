"""Which methods a sweep that names none should run, by the table: a proposal, which nothing reads."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.methods.comparison import ACCURACY, COST, HIDDEN, RIVAL, Comparison, Method
from orchestrator.config import DEFAULT_TRIALS_PER_SLOT
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.pareto import compute_hypervolume
from tasks.task import Task

PROMISED_SECONDS = {"digits": 300.0, "cifar10-small": 600.0, "cifar10": 2400.0}
"""What a default sweep on a CPU may take, by data set."""
LEAST_GAIN = 0.001
"""Hypervolume that a method must add to be proposed."""
WORST = (0.0, 0.0, -1.0)
"""Accuracy, indistinguishability and cost below which a point is worth nothing."""
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Proposal:
    """A method of the proposed set, in the order in which the set was filled."""

    method: str
    gain: float
    """Hypervolume that it added to the methods before it, in the mean over the tasks."""
    seconds: float
    """Seconds of the search with it and those before, as a share of what is promised, in the worst task."""


def propose_defaults(comparisons: Sequence[Comparison]) -> list[Proposal]:
    """Fill a set of methods greedily by hypervolume, while the search keeps its promise of time.

    A method counts as its confirmed point: the mean over the seeds of accuracy on retained classes,
    indistinguishability and cost. Finetune is in the set whatever it adds, because every paper compares
    with it. A method that the search did not find better than the original is not.
    """
    known = [found for found in comparisons if _dataset(found) in PROMISED_SECONDS]
    chosen: list[Proposal] = []
    while known:
        taken = [proposal.method for proposal in chosen]
        ranked = [
            Proposal(name, _mean_gain(known, taken, name), _share(known, [*taken, name]))
            for name in _candidates(known)
            if name not in taken
        ]
        fitting = [p for p in ranked if p.seconds <= 1 and (not chosen or p.gain >= LEAST_GAIN)]
        first = [p for p in fitting if p.method == RIVAL] if not chosen else []
        if not fitting:
            break
        chosen.append(first[0] if first else max(fitting, key=lambda p: p.gain))
    return chosen


def explain_defaults(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield lines for a person: the proposed set, what each method adds, and what it takes."""
    found = propose_defaults(comparisons)
    if not found:
        yield "no default set can be proposed: no method was confirmed on a data set with a promise of time"
        return
    promised = ", ".join(f"{name} {spell_duration(s)}" for name, s in PROMISED_SECONDS.items())
    yield f"methods by which a default sweep would find most within its time (without the models: {promised}):"
    for proposal in found:
        yield (
            f"  {proposal.method}: hypervolume {proposal.gain:+.4f}, {proposal.seconds:.0%} of the time so far"
        )


def _candidates(comparisons: Sequence[Comparison]) -> list[str]:
    """List the methods that were recommended somewhere, and finetune."""
    names = [m.name for found in comparisons for m in found.methods if m.is_recommended]
    return list(dict.fromkeys([RIVAL, *names]))


def _mean_gain(comparisons: Sequence[Comparison], taken: Sequence[str], name: str) -> float:
    gains = []
    for found in comparisons:
        points = {m.name: p for m in found.methods if m.is_recommended and (p := _point(m))}
        before = [points[other] for other in taken if other in points]
        with_it = [*before, points[name]] if name in points else before
        gains.append(compute_hypervolume(with_it, WORST) - compute_hypervolume(before, WORST))
    return statistics.fmean(gains)


def _point(method: Method) -> Point | None:
    """Return the means over the seeds; None unless every seed reached the point."""
    model = method.over_seeds
    values = [model.over_seeds(column) for column in (ACCURACY, HIDDEN, COST)]
    accuracy, hidden, cost = values
    if accuracy is None or hidden is None or cost is None or model.tried != set(model.repeats):
        return None
    return accuracy.mean, hidden.mean, -cost.mean


def _share(comparisons: Sequence[Comparison], names: Sequence[str]) -> float:
    """Return the seconds of a default search over what is promised, in the worst task."""
    shares = []
    for found in comparisons:
        dataset = _dataset(found)
        seconds: Mapping[str, float | None] = {
            m.name: m.about["seconds_per_trial"] for m in found.methods
        }
        each = sum(seconds.get(name) or 0.0 for name in names)
        per_slot = DEFAULT_TRIALS_PER_SLOT[dataset, "cpu"]
        shares.append(each * per_slot / PROMISED_SECONDS[dataset])
    return max(shares)


def _dataset(found: Comparison) -> str:
    return Task.named(found.task, found.model, 0).dataset
