"""The studies' journal: Optuna's own format, on disk when a proposal is made and when it is told."""

from __future__ import annotations

import errno
import io
import itertools
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search import journal
from orchestrator.search.journal import Journal, JournalFile
from orchestrator.search.study import UnlearnerStudy
from orchestrator.search.study_storage import open_storage


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
    storage = Journal(JournalFile(tmp_path / "studies.journal"))
    study = optuna.create_study(storage=storage, study_name="sweep/ssd")
    with storage.together():
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


def test_a_proposal_and_its_result_take_the_lock_once_each(ssd, monkeypatch):
    """On NFS each taking and leaving of it is requests to the server, at ten writes a trial."""
    taken: list[str] = []
    real = os.symlink
    monkeypatch.setattr(os, "symlink", lambda *paths: (taken.append(paths[1]), real(*paths)))
    trial = ssd.ask()
    assert len(taken) == 1
    ssd.tell(trial["trial_id"], [{"epoch": 1, "state": "failed"}])
    assert len(taken) == 2


def test_another_writer_waits_for_the_end_of_a_block(tmp_path):
    storage = Journal(JournalFile(tmp_path / "studies.journal"))
    study = optuna.create_study(storage=storage, study_name="sweep/ssd")
    other = read_by_optuna(tmp_path)
    with ThreadPoolExecutor() as pool:
        with storage.together():
            study.ask()
            noted = pool.submit(other.set_user_attr, "note", "from a dashboard")
            wait([noted], timeout=0.5)
            study.tell(0, 1.0)
            assert study.user_attrs == {}
        noted.result(timeout=60)
    assert study.user_attrs == {"note": "from a dashboard"}
    assert study.ask().number == 1
    written = read_by_optuna(tmp_path)
    assert written.user_attrs == study.user_attrs
    assert [t.number for t in written.trials] == [0, 1]


def test_a_line_that_the_disk_has_no_room_for_is_not_there_at_all(tmp_path, ssd):
    """Half a line would be followed by the next one once there is room again."""
    ssd.ask()
    file = tmp_path / "studies.journal"
    whole = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            ssd.ask()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == whole
    assert ssd.ask()["trial_id"] == "ssd-0001"
    assert len(read_by_optuna(tmp_path).trials) == 2


class BadMoments:
    """Each call of a function of the operating system fails twice before it works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self._monkeypatch, self._number = monkeypatch, number
        self.met: set[str] = set()

    def strike(self, name: str) -> None:
        """From now on."""
        real, calls = getattr(os, name), itertools.count()

        def sometimes(*args: Any, **options: Any) -> Any:
            if next(calls) % 3 == 2:
                return real(*args, **options)
            self.met.add(name)
            raise OSError(self._number, os.strerror(self._number))

        self._monkeypatch.setattr(os, name, sometimes)


PASSING = [errno.ESTALE, errno.EIO, errno.ETIMEDOUT]


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
def test_what_fails_for_a_moment_is_written_once(tmp_path, monkeypatch, number):
    """As NFS does while its server restarts."""
    storage = open_storage(tmp_path, None)
    ssd = UnlearnerStudy(storage, "sweep", "ssd", OBJECTIVES["pareto"], "random", 0)
    bad = BadMoments(monkeypatch, number)
    for name in ("symlink", "rename", "unlink", "fsync", "stat"):
        bad.strike(name)
    assert ssd.ask()["trial_id"] == "ssd-0000"
    assert {"symlink", "fsync", "stat"} <= bad.met
    monkeypatch.undo()
    assert not (tmp_path / "studies.journal.lock").is_symlink()
    assert [t.number for t in read_by_optuna(tmp_path).trials] == [0]


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
@pytest.mark.parametrize("written", [0.0, 0.5, 1.0])
def test_a_write_that_fails_half_way_is_tried_again_and_never_there_twice(
    tmp_path, monkeypatch, number, written
):
    """Also if all of it was written."""
    ssd = UnlearnerStudy(
        open_storage(tmp_path, None), "sweep", "ssd", OBJECTIVES["pareto"], "random", 0
    )
    calls = itertools.count()

    class Unsteady(io.FileIO):
        def write(self, content: Any) -> int:
            if next(calls) % 3 == 2:
                return super().write(content) or 0
            super().write(content[: int(written * len(content))])
            raise OSError(number, os.strerror(number))

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        return Unsteady(file, mode) if mode == "ab" else open(file, mode, *args, **options)

    monkeypatch.setattr(journal, "open", opened, raising=False)
    assert ssd.ask()["trial_id"] == "ssd-0000"
    monkeypatch.undo()
    assert next(calls) > 2
    lines = (tmp_path / "studies.journal").read_bytes().splitlines()
    assert len(set(lines)) == len(lines)
    assert [t.number for t in read_by_optuna(tmp_path).trials] == [0]


KILLED = """
import os, signal, sys
from optuna.storages.journal import JournalFileSymlinkLock

JournalFileSymlinkLock(sys.argv[1]).acquire()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moved", [False, True])
def test_the_lock_of_a_driver_that_was_killed_while_it_wrote_holds_nobody_up(tmp_path, moved):
    """Its symlink names the journal where it was: after a move Optuna would wait for ever."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    open_storage(before, None)
    subprocess.run([sys.executable, "-c", KILLED, str(before / "studies.journal")], check=False)
    folder = before.rename(after) if moved else before
    assert (folder / "studies.journal.lock").is_symlink()
    start = time.monotonic()
    proposed = UnlearnerStudy(
        open_storage(folder, None), "sweep", "ssd", OBJECTIVES["pareto"], "random", 0
    ).ask()
    assert proposed["trial_id"] == "ssd-0000"
    assert time.monotonic() - start < 20


def test_what_is_cut_off_is_kept_each_time(tmp_path, ssd):
    file = tmp_path / "studies.journal"
    for torn in (b'{"first', b'{"second', b'{"third'):
        with file.open("ab") as end:
            end.write(torn)
        open_storage(tmp_path, None)
    kept = sorted(tmp_path.glob("*.damaged*"))
    assert [f.read_bytes() for f in kept] == [b'{"first', b'{"second', b'{"third']
