"""The status of a sweep, read from its stored files alone, on any machine that can read them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.config import SweepConfig
from orchestrator.reporting.progress import Progress
from orchestrator.results.columnar.points import keep_ended, list_models, mask_trials, sum_up
from orchestrator.results.files import OnDamage
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import SCORING, objective_named
from orchestrator.results.store import read_results
from orchestrator.sweeps.budget import find_fault, is_open, is_over, stored_budgets
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
    rows: pa.Table = field(repr=False, compare=False)
    """Every row of the sweep, with the columns that were read."""

    @property
    def headline(self) -> str:
        """The state in one line, with the command that continues the sweep."""
        if self.state != UNFINISHED:
            return f"{self.name}: {self.state}"
        return f"{self.name}: {self.state}, and nothing runs it; to continue: {spell_resume(self.config)}"


FINISHED, RUNNING, UNFINISHED = "finished", "running", "unfinished"


def read_status(
    name: str, storage: str, on_damage: OnDamage | None = None, more: Sequence[str] = ()
) -> SweepStatus:
    """Return the status of the sweep `name` under a storage root.

    Stored results are shown even if their method is not installed here. `on_damage` is told of damaged files
    of rows; see `read_results`. `more` are further columns to read. Raises InvalidValue for an unknown name,
    listing the known ones.
    """
    config = read_config(name, storage)
    objective = objective_named(config.aim)
    columns = [*NEEDED, *objective.columns, *more]
    rows = read_results(config.storage, name, columns, on_damage)
    ended = keep_ended(rows)
    check_own_rows(config, _list_different(ended))
    floor = find_noise_floor(list_models(ended))
    standing = sum_up(ended, objective, floor)
    total = sum(stored_budgets(config).values())
    if is_over(config):  # a trial that was stopped at the end may have stored its rows all the same
        total = max(total, standing.done + standing.failed)
    left = max(0, total - standing.done - standing.failed)
    state = FINISHED if not left else RUNNING if is_held(name, config.storage) else UNFINISHED
    ends = _list_latest_ends(ended)
    expected = left * gap if state == RUNNING and (gap := measure_gap(ends)) else None
    until = _find_end(config) if state == RUNNING else None
    progress = Progress(objective, None if is_open(config) else total, floor, expected, until)
    progress.start_from(standing)
    unknown = tuple(filter(None, map(find_fault, config.unlearners)))
    last = ends[-1] if ends else None
    return SweepStatus(name, state, progress, config, unknown, last, rows)


def _find_end(config: SweepConfig) -> float | None:
    """Return when the budget of time is over, by the monotonic clock, if no driver was killed since it began."""
    if config.budget_seconds is None or config.granted_at is None:
        return None
    since = (datetime.now(UTC) - datetime.fromisoformat(config.granted_at)).total_seconds()
    return time.monotonic() + config.budget_seconds - since


def _list_different(rows: pa.Table) -> list[dict[str, Any]]:
    """Return a row for each different value of the columns that `check_own_rows` compares."""
    last = rows.filter(rows["final"])
    first = last.group_by([*COMPARED]).aggregate([("trial_id", "min")])
    return sorted(
        first.rename_columns([*COMPARED, "trial_id"]).to_pylist(), key=lambda row: row["trial_id"]
    )


def _list_latest_ends(rows: pa.Table) -> list[datetime]:
    """Return when the latest trials ended, the last one last."""
    ends = rows.filter(pc.and_(mask_trials(rows), rows["final"]))["finished_at"].drop_null()
    order = pc.sort_indices(ends)
    return list(ends.take(order[max(0, len(order) - LATEST) :]).to_pylist())


def measure_gap(ends: Sequence[datetime]) -> float | None:
    """Return the usual seconds from one end of a trial to the next, of the latest; None of fewer than three.

    It is the median: a driver may have stood still in between.
    """
    gaps = [(b - a).total_seconds() for a, b in pairwise(ends[-LATEST:])]
    return statistics.median(gaps) if len(gaps) > 1 else None
