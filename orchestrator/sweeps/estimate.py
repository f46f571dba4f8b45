"""How long a sweep will take, from a calibration on the real model and the declared domains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.search_space import EPOCHS, Categorical, Domain, Parameter, parameters
from tasks.unlearners import unlearner_class
from tasks.unlearners.passes import Sizes

if TYPE_CHECKING:
    from orchestrator.worker.baselines import Speed


def seconds_per_trial(unlearner: str, speed: Speed) -> float:
    """Return the expected seconds of a trial whose hyper-parameters are drawn at random from their domains."""
    cls = unlearner_class(unlearner)
    usual = {name: _usual(parameter) for name, parameter in parameters(cls).items()}
    sizes = Sizes(speed.retain, speed.forget, speed.recipe_epochs, speed.calibration)
    samples = cls.count_samples(sizes, usual)
    points = usual.get(EPOCHS, 1.0) if cls.anytime else 1.0
    return samples / speed.gradient_per_second + points * speed.evaluate_seconds


def sweep_seconds(trials: Mapping[str, int], speed: Speed, concurrent: int) -> float:
    """Return the expected seconds of a search with these numbers of trials by unlearner."""
    work = sum(count * seconds_per_trial(name, speed) for name, count in trials.items())
    return work / concurrent


def training_seconds(speed: Speed, concurrent: int) -> float:
    """Return the expected seconds until all missing models are trained, `concurrent` at a time."""
    ends = [0.0] * max(1, concurrent)
    for seconds in speed.trainings:
        first = ends.index(min(ends))
        ends[first] += seconds
    return max(ends)


def _usual(parameter: Parameter) -> Any:
    """A hyper-parameter's expected value, or its default if it is not searched."""
    return parameter.default if parameter.domain is None else expected(parameter.domain)


def expected(domain: Domain) -> float:
    """Mean of a uniform (or log-uniform) draw from a numeric domain; 1 for a categorical one."""
    if isinstance(domain, Categorical):
        return 1.0
    if domain.log:
        return (domain.high - domain.low) / math.log(domain.high / domain.low)
    return (domain.low + domain.high) / 2
