"""The allocation of a sweep's trials, as it stands by the stored rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.results.noise import NoiseFloor
from orchestrator.results.objectives import FrontRule, objective_named
from orchestrator.search.allocation import ADAPTIVE, Allocation
from orchestrator.search.narrowing import narrow_space

Row = dict[str, Any]


def make_allocation(
    config: SweepConfig,
    finished: Sequence[Sequence[Row]],
    floor: NoiseFloor | None,
    ends_at: float | None = None,
    expected: Mapping[str, float] | None = None,
) -> Allocation:
    """Make what chooses the method of each trial; `finished` are the rows of each trial that has ended.

    At `ends_at`, by the monotonic clock, a budget of time is over; a method's trials are `expected` to take so many
    seconds as long as none has ended.
    """
    allocation = _make_named(config, finished, floor)
    if ends_at is None:
        return allocation
    from orchestrator.execution.time_limit import TimeLimit

    return TimeLimit(allocation, ends_at, config.budget_seconds or 0.0, expected, finished)


def _make_named(
    config: SweepConfig, finished: Sequence[Sequence[Row]], floor: NoiseFloor | None
) -> Allocation:
    """Make the allocation that the configuration names."""
    if config.allocation != ADAPTIVE or config.given is not None:
        return Allocation()
    from orchestrator.search.adaptive import Adaptive
    from orchestrator.search.study_trials import in_order

    objective = objective_named(config.aim)
    single = {name for name in config.unlearners if not narrow_space(name, config.set).domains}
    ended = [rows for rows in in_order(finished) if rows[-1]["unlearner"] in config.unlearners]
    return Adaptive(objective, config.seed, ended, FrontRule.of(objective, floor).is_met, single)
