"""Whether a stored sweep has ended, so that a driver has nothing left to run."""

from __future__ import annotations

from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.results.store import read_finished_trials
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, TRIAL
from orchestrator.sweeps.budget import trials_left
from orchestrator.sweeps.folder import CONFIG, open_sweeps
from orchestrator.sweeps.stored.sealed_config import check_own_rows

Row = dict[str, Any]


def find_ended_rows(config: SweepConfig) -> dict[str, list[Row]] | None:
    """Return the rows of each trial and model of a sweep that has ended, by trial_id and in order of epoch.

    None for a sweep that has not begun, has trials left, or lacks a model's row, and for one with a damaged
    file of rows, which a driver makes again. Raises InvalidValue as `check_own_rows` does.
    """
    if config.name is None or config.trials is None or config.references is None:
        return None
    if not open_sweeps(config.storage).read(f"{config.name}/{CONFIG}"):
        return None
    damaged: list[str] = []
    rows = read_finished_trials(config.storage, config.name, lambda file, _: damaged.append(file))
    if damaged or any(trials_left(config, rows).values()):
        return None
    check_own_rows(config, (trial[-1] for trial in rows.values()))
    roles = [trial[-1]["role"] for trial in rows.values()]
    whole = ORIGINAL in roles and roles.count(RETRAINED) >= config.references
    return rows if whole and TRIAL in roles else None
