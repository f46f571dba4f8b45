"""Optuna's journal as numbered objects: nothing is lost, and everybody reads the same."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import optuna
import pytest
from program import ROOT

from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.object_journal import ObjectJournal
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.study_storage import open_storage
from tasks.errors import StorageError
from tasks.storage.roots import open_root


def journal(root: str) -> ObjectJournal:
    """The journal as a process that starts now sees it."""
    return ObjectJournal(open_root(root), "studies.journal")


def test_entries_come_back_in_order_from_any_number(root: str) -> None:
    assert list(journal(root).read_logs(0)) == []
    entries = [{"op_code": n, "text": "ü\n"} for n in range(5)]
    writer = journal(root)
    writer.append_logs(entries[:3])
    assert list(journal(root).read_logs(0)) == entries[:3]
    writer.append_logs(entries[3:])
    for start in range(6):
        assert list(journal(root).read_logs(start)) == entries[start:]


def test_a_writer_that_knows_nothing_yet_overwrites_nothing(root: str) -> None:
    journal(root).append_logs([{"n": 0}, {"n": 1}])
    journal(root).append_logs([{"n": 2}])
    assert list(journal(root).read_logs(0)) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_own_entries_and_those_of_others_are_read_in_their_order(root: str) -> None:
    first, second = journal(root), journal(root)
    first.append_logs([{"n": 0}])
    second.append_logs([{"n": 1}])
    first.append_logs([{"n": 2}])
    for reader in (first, second):
        read: list[dict] = []
        while more := list(reader.read_logs(len(read))):
            read += more
        assert read == [{"n": 0}, {"n": 1}, {"n": 2}]


WRITER = """
import sys
from orchestrator.search.object_journal import ObjectJournal
from tasks.storage.roots import open_root

journal = ObjectJournal(open_root(sys.argv[1]), "studies.journal")
for n in range(50):
    journal.append_logs([{"who": sys.argv[2], "n": n}])
"""


def test_two_processes_that_append_lose_nothing(root: str) -> None:
    command = [sys.executable, "-c", WRITER, root]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b")]
    assert [writer.wait() for writer in writers] == [0, 0]
    entries = list(journal(root).read_logs(0))
    assert len(entries) == 100
    for name in ("a", "b"):
        assert [e["n"] for e in entries if e["who"] == name] == list(range(50))


def test_a_study_is_the_same_to_all_who_open_it(root: str) -> None:
    def opened() -> optuna.Study:
        storage = optuna.storages.JournalStorage(journal(root))
        return optuna.create_study(storage=storage, study_name="s", load_if_exists=True)

    first, second = opened(), opened()
    for study in (first, second, first):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        study.tell(trial, trial.params["x"])
    assert [t.number for t in second.trials] == [0, 1, 2]
    assert [t.values for t in first.trials] == [t.values for t in opened().trials]


def test_a_damaged_entry_is_named(root: str) -> None:
    for n in range(2):
        journal(root).append_logs([{"n": n}])
    open_root(root).write("studies.journal/000000000001", b'{"n": ')
    with pytest.raises(StorageError, match="000000000001 is damaged"):
        list(journal(root).read_logs(0))


def test_entries_of_an_earlier_version_are_read_one_from_an_object(root: str) -> None:
    open_root(root).write("studies.journal/000000000000", b'{"n": 0}')
    journal(root).append_logs([{"n": 1}])
    assert list(journal(root).read_logs(0)) == [{"n": 0}, {"n": 1}]


def objects(root: str) -> int:
    """How many objects the journal of a sweep has."""
    return len(open_root(root).list_names("studies.journal"))


def test_a_proposal_is_one_object_and_a_result_another(bucket: str) -> None:
    """Each request takes some ten milliseconds, and a proposal is eight entries or more."""

    study = opened(bucket)
    before = objects(bucket)
    trial = study.ask()
    assert objects(bucket) == before + 1
    study.tell(trial["trial_id"], [ROW])
    assert objects(bucket) == before + 2
    assert study.ask()["trial_id"] == "finetune-0001"
    assert opened(bucket).trial_ids == {"finetune-0000", "finetune-0001"}
    assert opened(bucket).recover(
        {"finetune-0000": [ROW | {"params": "{}", "unlearner": "finetune"}]}
    )


def opened(root: str) -> UnlearnerStudy:
    """A study as the driver that holds the sweep opens it."""
    storage = open_storage(root, None)
    return UnlearnerStudy(storage, "sweep", "finetune", OBJECTIVES["pareto"], "random", 0)


SCORES = {"validation_accuracy_retained": 0.9, "validation_indistinguishability": 0.8}
ROW = {"epoch": 1, "state": "complete", "unlearn_seconds": 1.0, **SCORES}


def test_a_proposal_and_its_result_are_a_request_each(bucket: str) -> None:
    """Nobody else writes while a driver holds the sweep: it need not look for others' entries."""
    from tasks.storage.s3_client import PATIENT, client_at, read_endpoint

    study = opened(bucket)
    study.ask()
    requests: list[str] = []
    events = client_at(read_endpoint(), PATIENT).meta.events
    events.register("before-call.s3", lambda model, **_: requests.append(model.name))
    for number in range(1, 4):
        trial = study.ask()
        assert trial["trial_id"] == f"finetune-{number:04d}"
        study.tell(trial["trial_id"], [ROW])
    assert requests == ["PutObject"] * 6


@pytest.mark.parametrize("step", ["ask", "tell"])
def test_a_driver_whose_sweep_another_one_has_taken_over_stops(bucket: str, step: str) -> None:
    first = opened(bucket)
    trial = first.ask()["trial_id"]
    opened(bucket).ask()
    with pytest.raises(StorageError, match="another process writes there too"):
        first.ask() if step == "ask" else first.tell(trial, [ROW])
    assert opened(bucket).trial_ids == {"finetune-0000", "finetune-0001"}


def test_a_block_whose_number_another_writer_took_is_refused(root: str) -> None:
    """Optuna has numbered its entries already: a driver that was taken over must not go on."""
    first, second = journal(root), journal(root)
    with contextlib.ExitStack() as block:
        block.enter_context(first.together())
        first.append_logs([{"n": 0}])
        second.append_logs([{"n": 1}])
        with pytest.raises(StorageError, match="another process writes there too"):
            block.close()
    assert list(journal(root).read_logs(0)) == [{"n": 1}]


def test_a_block_is_read_inside_it_and_by_others_after_it(root: str) -> None:
    writer = journal(root)
    with writer.together():
        writer.append_logs([{"n": 0}])
        assert list(writer.read_logs(0)) == [{"n": 0}]
        assert list(writer.read_logs(1)) == []
        assert list(journal(root).read_logs(0)) == []
        writer.append_logs([{"n": 1}])
    writer.append_logs([{"n": 2}])
    assert list(writer.read_logs(1)) == [{"n": 1}, {"n": 2}]
    for start in range(4):
        assert [e["n"] for e in journal(root).read_logs(start)] == list(range(start, 3))
