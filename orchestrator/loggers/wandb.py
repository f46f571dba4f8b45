"""Runs of Weights & Biases: a group for each sweep, a run for each trial."""

from __future__ import annotations

import hashlib
import netrc
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.loggers.base import (
    Logger,
    Row,
    describe_trial,
    has_point,
    read_hyperparameters,
    read_numbers,
)
from tasks.errors import InvalidValue

PROJECT = "unlearning-sweeps"
FOLDER = "WANDB_DIR"
"""Environment variable with the folder that wandb/ is made in."""
WITHOUT_KEY = ("offline", "disabled", "dryrun")
"""Values of WANDB_MODE."""
KEYS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
SERVER = "https://api.wandb.ai"
DIGITS = 16
"""Of a run's id."""


class WeightsAndBiases(Logger):
    """Runs of Weights & Biases, in the project or ENTITY/PROJECT that is given; WANDB_MODE=offline keeps them here."""

    extra = "wandb"
    packages = ("wandb",)

    def __init__(self, name: str, target: str) -> None:
        """Take the project; raises InvalidValue without an API key, for which wandb would ask in mid-sweep."""
        super().__init__(name, target)
        if os.environ.get("WANDB_MODE") not in WITHOUT_KEY and not _has_key():
            raise InvalidValue(
                f"--log {self.shown}: there is no API key of Weights & Biases; run `wandb login`, or set "
                "WANDB_MODE=offline and upload the runs later by `wandb sync`"
            )

    def begin(self, sweep: str) -> None:
        """Note the sweep, and which runs were begun from here."""
        self._sweep = sweep
        self._folder = os.environ.get(FOLDER) or "."
        runs = Path(self._folder, "wandb").glob("*run-*-*")
        self._logged = {run.name.rpartition("-")[2] for run in runs}

    def log(self, rows: Sequence[Row]) -> None:
        """Make a run of a trial, unless one was begun from here."""
        import wandb

        last = rows[-1]
        entity, _, project = self.target.rpartition("/")
        identity = _name_run(self._sweep, last["trial_id"])
        if identity in self._logged:
            return
        run = wandb.init(
            entity=entity or None,
            project=project or PROJECT,
            id=identity,
            name=last["trial_id"],
            group=self._sweep,
            job_type=last["unlearner"] or last["role"],
            config={**describe_trial(last), **read_hyperparameters(last)},
            dir=self._folder,
            reinit="create_new",
            # Nothing is printed or asked, and what this machine does meanwhile is not this trial's.
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True
            ),
        )
        for row in filter(has_point, rows):
            run.log(read_numbers(row), step=row["epoch"])
        run.summary["state"] = last["state"]
        if last["error"]:
            run.summary["error"] = last["error"]
        run.finish(exit_code=int(last["state"] == "failed"))
        self._logged.add(identity)


def _name_run(sweep: str, trial_id: str) -> str:
    """Return an id of a run that is the same for each driver; W&B takes no colon, which a trial's may hold."""
    return hashlib.sha256(f"{sweep}/{trial_id}".encode()).hexdigest()[:DIGITS]


def _has_key() -> bool:
    """Tell whether wandb finds an API key in the environment, or in the file that `wandb login` writes."""
    if any(os.environ.get(name) for name in KEYS):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or SERVER).hostname or ""
    try:
        found = netrc.netrc(os.environ.get("NETRC") or Path.home() / ".netrc").authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return False
    return found is not None
