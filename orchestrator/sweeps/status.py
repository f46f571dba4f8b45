"""How far a sweep is, from what is stored alone: from any machine that sees the storage."""

from __future__ import annotations

import math

from rich.console import Console

from orchestrator.reporting.front_table import print_front
from orchestrator.reporting.progress import Progress
from orchestrator.results.objectives import objective_named
from orchestrator.results.rows import retrain_seconds
from orchestrator.results.store import finished_trials
from orchestrator.sweeps.budget import budgets, missing
from orchestrator.sweeps.folder import is_claimed, stored_config


def print_status(name: str, storage: str, console: Console) -> bool:
    """Print how far a sweep is and its front so far; returns whether all its trials have ended.

    A method that is here no more is said, and does not hide what is stored. Raises InvalidValue for
    a name that no sweep has, listing those there are.
    """
    config = stored_config(name, storage)
    trials = finished_trials(config.storage, name)
    baselines = {role: trials.pop(role, []) for role in ("original", "retrained")}
    has = config.cpus_per_trial, config.gpus_per_trial or 0.0
    measured = [retrain_seconds(row, *has) for row in baselines["retrained"]]
    seconds = measured[-1] if measured else math.inf
    progress = Progress(objective_named(config.objective), sum(budgets(config).values()), seconds)
    progress.resume(list(trials.values()))
    if progress.left == 0:
        state = "finished"
    elif is_claimed(config):
        state = "running"
    else:
        state = f"not running; to go on: orchestrator resume {name} --storage {storage}"
    for error in filter(None, map(missing, config.unlearners)):
        console.print(f"NOTICE: {error}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"{name}: {state}", highlight=False, soft_wrap=True)
    console.print(progress.line(), highlight=False, soft_wrap=True)
    print_front(config, console)
    return progress.left == 0
