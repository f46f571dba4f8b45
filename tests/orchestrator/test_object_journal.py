"""Optuna's journal as numbered objects: nothing is lost, and everybody reads the same."""

from __future__ import annotations

import subprocess
import sys

import optuna
import pytest
from program import ROOT

from orchestrator.object_journal import ObjectJournal
from tasks.storage import StorageError, storage_at


def journal(root: str) -> ObjectJournal:
    """The journal as a process that starts now sees it."""
    return ObjectJournal(storage_at(root), "studies.journal")


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
from orchestrator.object_journal import ObjectJournal
from tasks.storage import storage_at

journal = ObjectJournal(storage_at(sys.argv[1]), "studies.journal")
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
    journal(root).append_logs([{"n": 0}, {"n": 1}])
    storage_at(root).write("studies.journal/000000000001", b'{"n": ')
    with pytest.raises(StorageError, match="000000000001 is damaged"):
        list(journal(root).read_logs(0))
