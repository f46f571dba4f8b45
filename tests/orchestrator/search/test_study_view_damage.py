"""What spoils a view of a sweep's studies costs the sweep nothing: damage, full disks, locks, studies of others."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from program import rows_of
from running import Sweep
from study_rows import (
    KINDS,
    TASK,
    content,
    mixed,
    refuse,
    run,
    shown_by_journal,
    study,
    url_of,
)
from whole import check_study, files_of

from orchestrator.cli.main import main
from orchestrator.search.view import DatabaseView, JournalView


def cut(file: Path, elsewhere: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def alter(file: Path, elsewhere: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"state":1', b'"state":3'))


def fill_with_nonsense(file: Path, elsewhere: Path) -> None:
    file.write_bytes(b"\0\xff" * 500)


def delete(file: Path, elsewhere: Path) -> None:
    file.unlink()


def link(file: Path, elsewhere: Path) -> None:
    file.unlink()
    file.symlink_to(elsewhere)


DAMAGE = [cut, alter, fill_with_nonsense, delete, link]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["studies.journal", ".studies.journal.part"])
def test_whatever_is_in_the_place_of_a_journal_is_replaced(tmp_path, damage, name):
    """Also in that of the file that is to become it."""
    JournalView("s", tmp_path).rebuild([first := study()], refuse)
    finished = mixed(first)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of somebody else")
    file = tmp_path / name
    if not file.exists():
        shutil.copy(tmp_path / "studies.journal", file)
    damage(file, elsewhere)
    JournalView("s", tmp_path).rebuild([again := study(finished=finished)], refuse)
    again.ask(TASK)
    assert content(shown_by_journal(tmp_path).trials) == content(again.trials)
    assert elsewhere.read_text() == "of somebody else"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["elsewhere", "studies.journal"]
    assert not (tmp_path / "studies.journal").is_symlink()


def test_a_journal_that_cannot_be_put_in_its_place_is_done_without(tmp_path):
    (tmp_path / "studies.journal").mkdir()
    said: list[str] = []
    JournalView("s", tmp_path).rebuild([finetune := study()], said.append)
    assert len(run(finetune, 2)) == 2
    assert len(said) == 1
    assert "studies.journal shows the studies no longer" in said[0]


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file of this process may grow by more than twenty bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (folder / "studies.journal").stat().st_size + 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program writes to the database, and does not end."""
    with sqlite3.connect(folder / "studies.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


FAULTS = {"journal": (full_disk, "File too large"), "database": (locked, "database is locked")}


@pytest.mark.parametrize("name", KINDS)
def test_a_view_that_fails_is_one_notice_and_the_sweep_goes_on(tmp_path, name):
    (opened, shown), (fault, reason) = KINDS[name], FAULTS[name]
    said: list[str] = []
    opened(tmp_path).rebuild([finetune := study(), ssd := study("ssd")], said.append)
    run(finetune, 2)
    before = content(shown(tmp_path).trials)
    with fault(tmp_path):
        assert len(run(finetune, 2, first=2)) == len(run(ssd, 2)) == 2
    finetune.ask(TASK)
    assert len(said) == 1
    assert "NOTICE" in said[0]
    assert reason in said[0]
    assert content(shown(tmp_path).trials) == before
    opened(tmp_path).rebuild([again := study(finished=run(study(), 3))], refuse)
    assert content(shown(tmp_path).trials) == content(again.trials)


def test_studies_of_others_in_a_database_are_left_alone(tmp_path):
    other = optuna.create_study(storage=url_of(tmp_path), study_name="sweep-of-another/ssd")
    other.add_trial(optuna.create_trial(value=1.0))
    view = DatabaseView("s", url_of(tmp_path), is_own=False)
    view.rebuild([study()], refuse)
    DatabaseView("s", url_of(tmp_path), is_own=True).rebuild([study()], refuse)
    names = set(optuna.get_all_study_names(url_of(tmp_path)))
    assert names == {"sweep-of-another/ssd", "s/finetune"}
    assert len(other.trials) == 1


def test_a_resume_replaces_the_journal_and_runs_nothing_again(trained, tmp_path):
    storage = Path(shutil.copytree(trained, tmp_path / "storage"))
    sweep = Sweep(storage, "first")
    before, journal = rows_of(storage, "first"), storage / "sweeps" / "first" / "studies.journal"
    (elsewhere := tmp_path / "elsewhere").write_text("of somebody else")
    link(journal, elsewhere)
    said, _ = (process := sweep.resume()).communicate(timeout=300)
    assert process.returncode == 0, said
    assert "sweep first is finished: 12 trials" in said
    assert rows_of(storage, "first") == before
    assert elsewhere.read_text() == "of somebody else"
    for unlearner in ("finetune", "finetune-l1", "gradient-ascent", "ssd"):
        check_study(storage, "first", unlearner, files_of(storage, "first"))


def test_another_database_than_before_is_not_taken_from_another_sweep(trained, tmp_path, capsys):
    """The sweep exists, and so do studies of its name that are not its own."""
    url = f"sqlite:///{tmp_path}/studies.db"
    optuna.create_study(study_name="first/ssd", storage=url, directions=["maximize"] * 3)
    arguments = ["sweep", "--name", "first", "--storage", str(trained)]
    arguments += ["--unlearners", "finetune,finetune-l1,gradient-ascent,ssd", "--trials", "3"]
    assert main([*arguments, "--task", "digits-class:1", "--optuna-storage", url]) == 2
    assert "another sweep 'first'" in capsys.readouterr().err
    assert optuna.get_all_study_names(url) == ["first/ssd"]
