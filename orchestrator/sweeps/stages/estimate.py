"""How long a sweep will take, from a calibration on the real model and the declared domains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.search.narrowing import narrow_space
from tasks.search_space import EPOCHS, Categorical, Domain, parameters
from tasks.unlearners import unlearner_class
from tasks.unlearners.passes import Sizes

if TYPE_CHECKING:
    from orchestrator.worker.baselines import Speed


def expect_values(unlearner: str, assignments: Sequence[str] = ()) -> dict[str, Any]:
    """Return each hyper-parameter's expected value in a sweep with these assignments, or its default."""
    space = narrow_space(unlearner, assignments)
    usual = {name: expected(domain) for name, domain in space.domains.items()}
    declared = parameters(unlearner_class(unlearner))
    return {**{name: p.default for name, p in declared.items()}, **space.fixed, **usual}


def expect_cost(unlearner: str, sizes: Sizes, assignments: Sequence[str], limit: float) -> float:
    """Return the expected cost of a trial, a share of a retrain's: what it passes forward and backward.

    A trial that is measured after each epoch ends at the `limit`.
    """
    cls, usual = unlearner_class(unlearner), expect_values(unlearner, assignments)
    share = cls.count_samples(sizes, usual) / (sizes.recipe_epochs * sizes.retain)
    return min(share, limit) if cls.anytime else share


def seconds_per_trial(unlearner: str, speed: Speed, assignments: Sequence[str] = ()) -> float:
    """Return the expected seconds of a trial whose hyper-parameters are drawn at random from what is searched.

    Each of its points is measured whole: how many must be is not known beforehand.
    """
    cls, usual = unlearner_class(unlearner), expect_values(unlearner, assignments)
    sizes = Sizes(speed.retain, speed.forget, speed.recipe_epochs, speed.calibration)
    samples = cls.count_samples(sizes, usual)
    points = usual.get(EPOCHS, 1.0) if cls.anytime else 1.0
    return samples / speed.gradient_per_second + points * speed.evaluate_seconds


def sweep_seconds(
    trials: Mapping[str, int], speed: Speed, concurrent: int, assignments: Sequence[str] = ()
) -> float:
    """Return the expected seconds of a search with these numbers of trials by unlearner."""
    seconds = {name: seconds_per_trial(name, speed, assignments) for name in trials}
    return sum(count * seconds[name] for name, count in trials.items()) / concurrent


def training_seconds(speed: Speed, concurrent: int) -> float:
    """Return the expected seconds until all missing models are trained, `concurrent` at a time."""
    ends = [0.0] * max(1, concurrent)
    for seconds in speed.trainings:
        first = ends.index(min(ends))
        ends[first] += seconds
    return max(ends)


def expected(domain: Domain) -> Any:
    """Mean of a uniform (or log-uniform) draw from a numeric domain, or of numeric choices; else the first choice."""
    if isinstance(domain, Categorical):
        numbers = [c for c in domain.choices if isinstance(c, int | float)]
        return (
            statistics.fmean(numbers) if len(numbers) == len(domain.choices) else domain.choices[0]
        )
    if domain.log:
        return (domain.high - domain.low) / math.log(domain.high / domain.low)
    return (domain.low + domain.high) / 2
