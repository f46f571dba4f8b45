"""The status of a sweep, read from its stored files alone, on any machine that can read them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from orchestrator.config import SweepConfig
from orchestrator.reporting.progress import Progress
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import objective_named
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.budget import find_fault, stored_budgets
from orchestrator.sweeps.folder import is_held, read_config
from orchestrator.sweeps.stored.sealed_config import check_own_rows


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
        words = ["orchestrator", "resume", self.name, "--storage", self.config.storage]
        return f"{self.name}: {self.state}; to continue: {shlex.join(words)}"


FINISHED, RUNNING, NOT_RUNNING = "finished", "running", "not running"


def read_status(name: str, storage: str) -> SweepStatus:
    """Return the status of the sweep `name` under a storage root.

    Stored results are shown even if their method is not installed here. Raises InvalidValue for an
    unknown name, listing the known ones.
    """
    config = read_config(name, storage)
    trials = read_finished_trials(config.storage, name)
    check_own_rows(config, (rows[-1] for rows in trials.values()))
    models = {name: rows[-1] for name, rows in trials.items() if rows[-1]["role"] != "trial"}
    floor = find_noise_floor(models.values())
    progress = Progress(objective_named(config.aim), sum(stored_budgets(config).values()), floor)
    progress.resume([rows for name, rows in trials.items() if name not in models])
    state = NOT_RUNNING
    if progress.left == 0:
        state = FINISHED
    elif is_held(name, config.storage):
        state = RUNNING
    unknown = tuple(filter(None, map(find_fault, config.unlearners)))
    return SweepStatus(name, state, progress, config, unknown)
