"""The status of a sweep, read from its stored files alone, on any machine that can read them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from orchestrator.config import SweepConfig
from orchestrator.reporting.progress import Progress
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import objective_named
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.budget import budgets, missing
from orchestrator.sweeps.folder import is_held, read_config


@dataclass(frozen=True)
class SweepStatus:
    """The status of a sweep."""

    name: str
    state: str
    """finished, running, or not running."""
    progress: Progress
    config: SweepConfig
    missing: tuple[str, ...]
    """One line for each method of the sweep that is not available here, with the reason."""

    @property
    def headline(self) -> str:
        """The state in one line, with the command that continues the sweep."""
        if self.state != NOT_RUNNING:
            return f"{self.name}: {self.state}"
        storage = shlex.quote(self.config.storage)
        return f"{self.name}: {self.state}; to continue: orchestrator resume {self.name} --storage {storage}"


FINISHED, RUNNING, NOT_RUNNING = "finished", "running", "not running"


def read_status(name: str, storage: str) -> SweepStatus:
    """Return the status of the sweep `name` under a storage root.

    Stored results are shown even if their method is not installed here. Raises InvalidValue for an
    unknown name, listing the known ones.
    """
    config = read_config(name, storage)
    trials = read_finished_trials(config.storage, name)
    models = {name: rows[-1] for name, rows in trials.items() if rows[-1]["role"] != "trial"}
    floor = find_noise_floor(models.values())
    progress = Progress(objective_named(config.objective), sum(budgets(config).values()), floor)
    progress.resume([rows for name, rows in trials.items() if name not in models])
    state = NOT_RUNNING
    if progress.left == 0:
        state = FINISHED
    elif is_held(name, config.storage):
        state = RUNNING
    unknown = tuple(filter(None, map(missing, config.unlearners)))
    return SweepStatus(name, state, progress, config, unknown)
