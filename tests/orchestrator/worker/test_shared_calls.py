"""A worker's call of several trials, in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from program import rows_of
from workers import answer, propose, settings

from orchestrator.results.store import read_finished_trials, read_results
from orchestrator.worker.call import unfold
from orchestrator.worker.settings import WorkerSettings, get_workbench
from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

FOLDER = "TESTS_STORAGE_OF_THE_SWEEP"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> WorkerSettings:
    """What a worker is told of a sweep whose original model is trained."""
    made = settings(tmp_path_factory.mktemp("storage"))
    get_workbench(made, 1).artifact("original")
    return made


@dataclass(frozen=True)
class Blocking(Unlearner):
    """Puts a file in the place of the sweep's rows."""

    lr: Annotated[float, Float(0.0, 1.0)] = 0.5
    """Moves nothing."""

    def unlearn(self, *_: Any) -> Iterator[None]:
        """Yields once."""
        rows = Path(os.environ[FOLDER]) / "rows" / "s"
        rows.rename(rows.with_name("aside"))
        rows.touch()
        yield


def test_each_trial_of_a_call_has_the_rows_that_it_has_alone(here):
    trials = [
        propose("ssd"), propose("finetune", lr=-1.0), propose("finetune", 1, epochs=2), propose("ssd", 1),
    ]  # fmt: skip
    parts = unfold(answer(here, trials))
    assert [part["trial"] for part in parts] == [trial["trial_id"] for trial in trials]
    stored = read_finished_trials(here.storage, "s")
    for trial, part in zip(trials, parts, strict=True):
        assert [(r["epoch"], r["state"]) for r in part["rows"]] == [
            (r["epoch"], r["state"]) for r in stored[trial["trial_id"]]
        ]
    assert [part["rows"][-1]["state"] for part in parts] == [
        "complete", "failed", "complete", "complete",
    ]  # fmt: skip
    before = read_results(here.storage).to_pylist()
    alone = answer(here, trials[2:3])  # it reads what the call has stored
    assert alone == parts[2]
    assert read_results(here.storage).to_pylist() == before


def test_the_rows_of_a_call_are_on_the_disk_when_it_is_answered(here, synced):
    rows = Path(here.storage) / "rows" / "s"
    before = set(rows.iterdir()) if rows.exists() else set()
    trials = [propose("ssd", 10), propose("ssd", 11)]
    answer(here, trials)
    stored = {file.stat().st_ino for file in set(rows.iterdir()) - before}
    assert len(stored) == 2
    assert sorted(of.st_ino for of in synced) == sorted([*stored, rows.stat().st_ino])
    synced.clear()
    answer(here, trials)  # a worker that died may not have waited for them
    assert sorted(of.st_ino for of in synced) == sorted([*stored, rows.stat().st_ino])


def test_a_disk_that_fails_after_the_last_trial_of_a_call_ends_the_sweep(here, monkeypatch):
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    assert "Input/output" in answer(here, [propose("ssd", 12), propose("ssd", 13)])["unstored"]


def test_a_trial_whose_worker_cannot_get_ready_is_on_the_disk_too(tmp_path, synced):
    broken = settings(tmp_path, dtype="none of them")
    assert answer(broken, [propose("ssd")])["rows"][-1]["state"] == "failed"
    (stored,) = (tmp_path / "rows" / "s").iterdir()
    assert stored.stat().st_ino in {of.st_ino for of in synced}


def test_a_storage_that_goes_away_within_a_call_ends_it_at_once(here, monkeypatch):
    monkeypatch.setenv(FOLDER, here.storage)
    first, last = propose("ssd", 2), propose("ssd", 3)
    result = answer(here, [first, propose(f"{__name__}:Blocking"), last])
    (rows := Path(here.storage) / "rows" / "s").unlink()
    rows.with_name("aside").rename(rows)
    assert "File exists" in result["unstored"]
    ended = {row["trial_id"] for row in rows_of(here.storage, "s")}
    assert first["trial_id"] in ended
    assert last["trial_id"] not in ended
