"""The rows of a trial whose worker died before it could store any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.results.rows import Row, trial_rows
from orchestrator.results.store import read_finished_trials, write_rows
from orchestrator.worker.identity import proposed_identity
from orchestrator.worker.settings import WorkerSettings


def crashed_rows(
    settings: WorkerSettings, shared: Row, proposed: Mapping[str, Any], error: str
) -> list[Row]:
    """Store the trial as failed for this reason, unless it wrote its own rows; returns what is stored.

    `shared` are the sweep's `shared_columns`.
    """
    # By name, not by file: the sweep's files may have been merged meanwhile.
    written = read_finished_trials(settings.storage, settings.sweep).get(proposed["trial_id"])
    if written:
        return written
    identity = shared | proposed_identity(settings, shared["task_key"], proposed)
    rows = trial_rows([], state="failed", error=error, **identity)
    return write_rows(settings.storage, settings.sweep, identity["trial_key"], rows)
