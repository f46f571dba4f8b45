"""Whether a stored sweep has ended, so that a driver has nothing left to run, and what is told then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.config import SweepConfig
from orchestrator.reporting.observer import Observer
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import objective_named
from orchestrator.results.store import read_finished_trials
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, TRIAL
from orchestrator.sweeps.budget import is_over, trials_left
from orchestrator.sweeps.folder import CONFIG, open_sweeps
from orchestrator.sweeps.stored.resumed import spell_resume
from orchestrator.sweeps.stored.sealed_config import check_own_rows
from orchestrator.sweeps.stored.shown_studies import show_studies

if TYPE_CHECKING:
    from orchestrator.search.view import StudyView

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended."""

    config: SweepConfig
    """The settings in the form that the sweep's folder keeps."""
    complete: int
    failed: int


def find_ended_rows(config: SweepConfig) -> dict[str, list[Row]] | None:
    """Return the rows of each trial and model of a sweep that has ended, by trial_id and in order of epoch.

    None for a sweep that has not begun, has trials left, or lacks a model's row, and for one with a damaged
    file of rows, which a driver makes again. Raises InvalidValue as `check_own_rows` does.
    """
    if config.name is None or config.references is None:
        return None
    if config.trials is None and not is_over(config):
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
    return rows if whole and (TRIAL in roles or is_over(config)) else None


def tell_ended(
    config: SweepConfig, rows: Mapping[str, list[Row]], board: StudyView | None, observer: Observer
) -> Outcome:
    """Tell that a sweep has ended, with the same events as after a search; show its studies again."""
    from orchestrator.reporting.progress import Progress

    trials = {k: v for k, v in rows.items() if v[-1]["role"] == "trial"}
    show_studies(config, list(trials.values()), board, observer.say)
    observer.say(_explain_end(config, len(trials)) if trials else explain_no_trial(config))
    models = [v[-1] for v in rows.values() if v[-1]["role"] != "trial"]
    progress = Progress(objective_named(config.aim), len(trials), find_noise_floor(models), None)
    progress.resume(list(trials.values()))
    observer.started(progress)
    observer.ended(progress)
    return Outcome(config, progress.done, progress.failed)


def explain_no_trial(config: SweepConfig) -> str:
    """Say that a budget of time was over before any trial ended; the models are there, for the next one."""
    assert config.budget is not None
    more = spell_resume(config, "--budget", config.budget)
    return f"no trial fitted into the budget of {config.budget}; for more: {more}"


def _explain_end(config: SweepConfig, trials: int) -> str:
    said = f"sweep {config.name} is finished: {trials} trials, nothing is left to run"
    if config.confirms:
        return said
    more = ("--trials", str(2 * (config.trials or 1)))
    if config.budget is not None:
        more = ("--budget", config.budget)
    return f"{said}; for more trials: {spell_resume(config, *more)}"
