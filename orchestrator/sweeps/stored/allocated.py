"""The allocation of a sweep's trials, as it stands by the stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.config import SweepConfig
from orchestrator.results.noise import NoiseFloor
from orchestrator.results.objectives import SCORE, objective_named
from orchestrator.search.allocation import ADAPTIVE, Allocation
from orchestrator.search.narrowing import narrow_space

if TYPE_CHECKING:
    from orchestrator.search.adaptive import Counts

Row = dict[str, Any]


def make_allocation(
    config: SweepConfig, finished: Sequence[Sequence[Row]], floor: NoiseFloor | None
) -> Allocation:
    """Make the allocation that the configuration names; `finished` are the rows of each trial that has ended."""
    if config.allocation != ADAPTIVE or config.given is not None:
        return Allocation()
    from orchestrator.search.adaptive import Adaptive
    from orchestrator.search.study_trials import in_order

    objective = objective_named(config.aim)
    single = {name for name in config.unlearners if not narrow_space(name, config.set).domains}
    ended = [rows for rows in in_order(finished) if rows[-1]["unlearner"] in config.unlearners]
    return Adaptive(objective, config.seed, ended, _choose_counts(config, floor), single)


def _choose_counts(config: SweepConfig, floor: NoiseFloor | None) -> Counts:
    """Return what tells whether a point may lie on the front, as `front_rows` does."""
    objective = objective_named(config.aim)

    def counts(row: Any) -> bool:
        if floor is None or SCORE in objective.metrics:
            return objective.meets_limits(row)
        beats = floor.is_beaten(row, objective.metrics, objective.maximise)
        return beats and objective.meets_limits(row)

    return counts
