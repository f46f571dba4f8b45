"""The worker, run in this process: what it stores, and what it says to the driver."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from workers import TASK_KEY, answer, propose, settings

from orchestrator.results.rows import trial_rows
from orchestrator.results.store import read_finished_trials, write_rows
from orchestrator.worker.identity import proposed_identity
from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Split
    from tasks.models.network import Network

FOLDER = "OVERTAKEN_FOLDER"


def proposal(unlearner: str) -> dict[str, Any]:
    """Return the one trial of a method here."""
    return propose(unlearner, lr=0.01)


@dataclass(frozen=True)
class Overtaken(Unlearner):
    """While it runs, another worker ends the same trial."""

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    """Moves nothing."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields when the other one's rows are stored."""
        told = settings(os.environ[FOLDER])
        identity = proposed_identity(told, TASK_KEY, proposal(OVERTAKEN))
        rows = trial_rows([], state="failed", error="the other worker's", **identity)
        write_rows(told.storage, "s", identity["trial_key"], rows)
        yield


OVERTAKEN = f"{__name__}:Overtaken"


def test_a_worker_that_was_overtaken_reports_the_rows_that_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was cut off, its trial was run again, and now store and study must go on agreeing."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    result = answer(settings(tmp_path), [proposal(OVERTAKEN)])
    (stored,) = read_finished_trials(tmp_path, "s")[f"{OVERTAKEN}-0000"]
    assert stored["error"] == "the other worker's"
    assert [(row["state"], row["error"]) for row in result["rows"]] == [
        ("failed", "the other worker's")
    ]


def test_a_bucket_that_went_away_is_not_the_death_of_a_worker(
    bucket: str,
) -> None:
    """The sweep ends with the reason, instead of running the trial three times more."""
    result = answer(settings(f"{bucket}-that-is-gone"), [proposal("finetune")])
    assert "NoSuchBucket" in result["unstored"]
