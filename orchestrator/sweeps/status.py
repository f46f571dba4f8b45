"""The status of a sweep, read from its stored files alone, on any machine that can read them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from orchestrator.config import SweepConfig
from orchestrator.reporting.progress import Progress
from orchestrator.results.files import OnDamage
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import SCORING, objective_named
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.budget import find_fault, stored_budgets
from orchestrator.sweeps.folder import is_held, read_config
from orchestrator.sweeps.stored.resumed import spell_resume
from orchestrator.sweeps.stored.sealed_config import COMPARED, check_own_rows

NEEDED = ("trial_id", "role", "state", "epoch", "final", "finished_at", *COMPARED, *SCORING)
"""Columns that a status reads, beside those of the objective."""


LATEST = 20
"""Trials by which the time that is left is estimated."""


@dataclass(frozen=True)
class SweepStatus:
    """The status of a sweep."""

    name: str
    state: str
    """finished, running, or unfinished."""
    progress: Progress
    config: SweepConfig
    missing: tuple[str, ...]
    """One line for each method of the sweep that is not available here, with the reason."""
    ended_at: datetime | None
    """When the last trial ended so far, failed ones included; None before the first."""

    @property
    def headline(self) -> str:
        """The state in one line, with the command that continues the sweep."""
        if self.state != UNFINISHED:
            return f"{self.name}: {self.state}"
        return f"{self.name}: {self.state}, and nothing runs it; to continue: {spell_resume(self.config)}"


FINISHED, RUNNING, UNFINISHED = "finished", "running", "unfinished"


def read_status(name: str, storage: str, on_damage: OnDamage | None = None) -> SweepStatus:
    """Return the status of the sweep `name` under a storage root.

    Stored results are shown even if their method is not installed here. `on_damage` is told of damaged files
    of rows; see `read_results`. Raises InvalidValue for an unknown name, listing the known ones.
    """
    config = read_config(name, storage)
    objective = objective_named(config.aim)
    columns = [*NEEDED, *objective.columns]
    trials = read_finished_trials(config.storage, name, on_damage, columns)
    check_own_rows(config, (rows[-1] for rows in trials.values()))
    models = {name: rows[-1] for name, rows in trials.items() if rows[-1]["role"] != "trial"}
    floor = find_noise_floor(models.values())
    ended = [rows for name, rows in trials.items() if name not in models]
    total = sum(stored_budgets(config).values())
    left = max(0, total - len(ended))
    state = FINISHED if not left else RUNNING if is_held(name, config.storage) else UNFINISHED
    ends = sorted(at for rows in ended if (at := rows[-1]["finished_at"]) is not None)
    expected = left * gap if state == RUNNING and (gap := measure_gap(ends)) else None
    progress = Progress(objective, total, floor, expected)
    progress.resume(ended)
    unknown = tuple(filter(None, map(find_fault, config.unlearners)))
    return SweepStatus(name, state, progress, config, unknown, ends[-1] if ends else None)


def measure_gap(ends: Sequence[datetime]) -> float | None:
    """Return the usual seconds from one end of a trial to the next, of the latest; None of fewer than three.

    It is the median: a driver may have stood still in between.
    """
    gaps = [(b - a).total_seconds() for a, b in pairwise(ends[-LATEST:])]
    return statistics.median(gaps) if len(gaps) > 1 else None
