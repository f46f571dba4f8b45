"""The studies' journal: Optuna's own format, on disk when a proposal is made and when it is told."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from orchestrator.journal import Journal
from orchestrator.objectives import OBJECTIVES
from orchestrator.studies import UnlearnerStudy
from orchestrator.study_storage import open_storage


def read_by_optuna(folder: Path) -> optuna.Study:
    """The study as any other program reads it."""
    file = JournalFileBackend(str(folder / "studies.journal"))
    return optuna.load_study(study_name="sweep/ssd", storage=JournalStorage(file))


@pytest.fixture
def ssd(tmp_path: Path) -> UnlearnerStudy:
    return UnlearnerStudy(
        open_storage(tmp_path, None), "sweep", "ssd", OBJECTIVES["pareto"], "random", 0
    )


def test_another_reader_sees_each_write_at_once_also_before_it_is_synced(tmp_path):
    journal = Journal(tmp_path / "studies.journal")
    study = optuna.create_study(storage=journal, study_name="sweep/ssd")
    with journal.together():
        study.ask()
        assert len(read_by_optuna(tmp_path).trials) == 1
        study.tell(0, 1.0)
    assert read_by_optuna(tmp_path).trials[0].value == 1.0


def test_what_another_writer_appends_is_read(tmp_path, ssd):
    ssd.ask()
    read_by_optuna(tmp_path).set_user_attr("note", "from a dashboard")
    trial = ssd.ask()
    assert trial["trial_id"] == "ssd-0001"
    assert read_by_optuna(tmp_path).user_attrs == {"note": "from a dashboard"}


def test_a_proposal_waits_for_the_disk_once_and_a_result_which_the_store_has_does_not(
    ssd, monkeypatch
):
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(file), real(file)))
    trial = ssd.ask()
    assert len(synced) == 1
    values = {"validation_accuracy_retained": 0.9, "validation_indistinguishability": 0.8}
    ssd.tell(
        trial["trial_id"], [{"epoch": 1, "state": "complete", "unlearn_seconds": 1.0, **values}]
    )
    assert len(synced) == 1
    ssd.ask()
    assert len(synced) == 2
