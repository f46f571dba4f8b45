"""Runs of MLflow: an experiment for each sweep, a run for each trial."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

from orchestrator.loggers.base import (
    Logger,
    Row,
    describe_trial,
    has_point,
    read_hyperparameters,
    read_numbers,
    read_time,
)
from tasks.errors import InvalidValue

TRIAL = "trial_id"
"""Tag of a run."""
STATUS = {"complete": "FINISHED", "failed": "FAILED", "pruned": "KILLED"}
SCHEMES = "http", "https", "sqlite", "postgresql", "mysql", "mssql", "file", "databricks"
"""Of MLflow's own tracking stores; a database's may name its driver after a +."""
PLUGINS = "mlflow.tracking_store"
"""Entry points of packages that add stores, by their schemes."""
PAGE = 1000
"""Runs that are asked for at a time."""
MOST_OF_A_BATCH = 1000
"""Metrics that MLflow takes in one call."""


class MLflow(Logger):
    """Runs on an MLflow server or in its database: hyper-parameters as parameters, each epoch as a step."""

    extra = "mlflow"
    packages = ("mlflow",)

    def __init__(self, name: str, target: str) -> None:
        """Take the tracking URI; without one MLflow's own settings decide. Raises InvalidValue for what is none."""
        super().__init__(name, target)
        try:
            self._password = urlsplit(target).password or ""
        except ValueError as error:
            raise InvalidValue(f"--log {name}: the target is no URI") from error
        scheme = urlsplit(target).scheme.partition("+")[0]
        valid = [*SCHEMES, *sorted(point.name for point in entry_points(group=PLUGINS))]
        if scheme not in valid and target not in ("", "databricks"):
            told = f":{target}" if "@" not in target else ""  # what is before it may be a password
            raise InvalidValue(
                f"--log {name}{told} is no tracking URI, such as http://HOST:5000 or sqlite:///mlflow.db; "
                f"valid beginnings: {', '.join(valid)}"
            )

    @property
    def secret(self) -> str:
        """The password in the URI; that of a server also comes from MLFLOW_TRACKING_PASSWORD."""
        return self._password

    def begin(self, sweep: str) -> None:
        """Find or make the experiment of the sweep, and what it has of it; drop runs that were cut short."""
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # it warns where there is no git
        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=self.target or None)
        found = self._client.get_experiment_by_name(sweep)
        self._experiment = found.experiment_id if found else self._client.create_experiment(sweep)
        self._logged: set[str] = set()
        for run in self._list_runs():
            if run.info.status == "RUNNING":
                self._client.delete_run(run.info.run_id)
            else:
                self._logged.add(run.data.tags.get(TRIAL, ""))

    def log(self, rows: Sequence[Row]) -> None:
        """Make a run of a trial, unless it is there."""
        from mlflow.entities import Metric, Param, RunTag

        last = rows[-1]
        if last["trial_id"] in self._logged:
            return
        when = round(read_time(last) * 1000)
        notes = {TRIAL: last["trial_id"], "state": last["state"], "error": last["error"]}
        tags = {n: str(value) for n, value in {**describe_trial(last), **notes}.items() if value}
        run = self._client.create_run(
            self._experiment, start_time=when, tags=tags, run_name=last["trial_id"]
        ).info.run_id
        params = [Param(n, str(value)) for n, value in read_hyperparameters(last).items()]
        metrics = [
            Metric(name, value, when, row["epoch"])
            for row in filter(has_point, rows)
            for name, value in read_numbers(row).items()
        ]
        self._client.log_batch(run, params=params, tags=[RunTag("epochs", str(last["epoch"]))])
        for start in range(0, len(metrics), MOST_OF_A_BATCH):
            self._client.log_batch(run, metrics=metrics[start : start + MOST_OF_A_BATCH])
        self._client.set_terminated(run, STATUS[last["state"]], end_time=when)
        self._logged.add(last["trial_id"])

    def _list_runs(self) -> list[Any]:
        """List the runs of the experiment, page by page."""
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                return found
