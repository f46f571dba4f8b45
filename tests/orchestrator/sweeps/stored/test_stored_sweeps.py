"""What becomes of stored sweeps: listed, watched, deleted; in a folder and in a bucket."""

from __future__ import annotations

import io
import pty
import signal
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from program import ENVIRONMENT, ROOT, command
from store_rows import NOON
from store_sweeps import POINTS, contents, damage, make_sweep

import orchestrator
from orchestrator.cli.main import main
from orchestrator.sweeps.folder import hold_sweep, store_config
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root


@pytest.fixture
def many(root: str) -> str:
    """A finished sweep, one with trials left, one with a damaged file of rows, one with a damaged configuration."""
    make_sweep(root, "older", POINTS, minute=5)
    make_sweep(root, "newer", POINTS, minute=7, config={"trials": 4, "budgets": {"ssd": 4}})
    make_sweep(root, "hurt", POINTS, minute=6)
    damage(root, "rows/hurt/ssd-0key.parquet")
    make_sweep(root, "broken", POINTS)
    damage(root, "sweeps/broken/config.json")
    return root


def test_the_list_says_state_counts_best_values_and_when(many: str) -> None:
    found = {sweep.name: sweep for sweep in orchestrator.list_sweeps(storage=many)}
    assert list(found) == ["broken", "older", "hurt", "newer"], "the latest is last"
    states = {name: (s.state, s.ended, s.planned, s.failed) for name, s in found.items()}
    assert states == {
        "older": ("finished", 3, 3, 1),
        "newer": ("unfinished", 3, 4, 1),
        "hurt": ("damaged", 2, 3, 1),
        "broken": ("damaged", 0, 0, 0),
    }
    assert found["older"].best == {
        "validation_accuracy_retained": 0.88,
        "validation_indistinguishability": 0.91,
        "relative_cost": 0.01,
    }
    assert found["older"].ended_at is not None
    assert (found["older"].ended_at - NOON).total_seconds() == 300
    assert found["older"].task == "digits-class:1"
    assert "1 damaged files of rows" in found["hurt"].damage
    assert "config.json is damaged" in found["broken"].damage


def test_a_running_sweep_is_the_latest_and_cannot_be_deleted_or_renamed(many: str, capsys) -> None:  # type: ignore[no-untyped-def]
    make_sweep(many, "begun", [], config={"trials": 1, "budgets": {"ssd": 1}, "confirms": "older"})
    assert orchestrator.status(storage=many).name == "newer"
    with hold_sweep("begun", many, print):
        assert orchestrator.list_sweeps(storage=many)[-1].state == "running"
        assert orchestrator.status(storage=many).name == "begun"
        for words in (
            ["delete", "begun"],
            ["delete", "older"],
            ["rename", "older", "x"],
            ["rename", "begun", "x"],
        ):
            assert main([*words, "--yes", "--storage", many]) == 2
            line = capsys.readouterr().err
            assert "sweep 'begun' is being run by another process" in line
            assert line.count("\n") == 1


def test_the_commands_print_what_the_functions_return(many: str, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["list", "sweeps", "--storage", many]) == 0
    said = capsys.readouterr().out
    assert "older" in said
    assert "2026-01-01 12:05" in said
    assert main(["status", "--storage", many]) == 0
    said = capsys.readouterr().out
    assert said.startswith("newer is the latest of 4 sweeps")
    assert "newer: unfinished" in said
    assert "ssd: 1 of 3 failed: RuntimeError: my bug 2 (bad.py:17)" in said


def test_without_a_sweep_there_is_no_latest(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["status", "--storage", str(tmp_path)]) == 2
    assert "no sweep under" in capsys.readouterr().err
    assert main(["list", "sweeps", "--storage", str(tmp_path)]) == 0
    assert "no sweep under" in capsys.readouterr().out
    assert main(["status", "--address", "http://127.0.0.1:1"]) == 2
    assert "give the NAME" in capsys.readouterr().err


def watching(storage: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("status", "--watch", "--storage", storage), cwd=ROOT, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_watching_goes_on_until_the_sweep_has_no_driver_or_until_ctrl_c(tmp_path: Path) -> None:
    make_sweep(str(tmp_path), "s", POINTS, config={"trials": 4, "budgets": {"ssd": 4}})
    with FileLock(tmp_path / "sweeps" / "s" / "driver.lock"):
        patient, stopped = watching(tmp_path), watching(tmp_path)
        for process in (patient, stopped):
            assert process.stdout is not None
            assert process.stdout.readline() == "s is the only sweep\n"
            assert process.stdout.readline().startswith("s: running: 3/4 trials")
        stopped.send_signal(signal.SIGINT)
        _, errors = stopped.communicate(timeout=600)
        assert stopped.returncode == 130
        assert errors == "orchestrator: interrupted; the sweep goes on\n"
    said, errors = patient.communicate(timeout=600)
    assert (patient.returncode, errors) == (0, "")
    assert "s: unfinished" in said
    assert "Pareto front of s" in said


def keep_models(root: str, *keys: str) -> None:
    for key in keys:
        for file in (f"{key}.json", f"{key}-0123456789abcdef.pt", f"{key}.lock"):
            open_root(root).write(f"artifacts/{file}", b"{}")


def test_a_deleted_sweep_goes_with_those_that_confirm_it_and_nothing_else(root: str) -> None:
    make_sweep(root, "kept", POINTS)
    keep_models(root, "shared")
    before = contents(root)
    make_sweep(root, "s", POINTS)
    make_sweep(root, "s+seed-1", POINTS, config={"confirms": "s"})
    make_sweep(root, "s-too", POINTS)
    before |= contents(root, "rows/s-too") | contents(root, "sweeps/s-too")
    gone = orchestrator.delete("s", storage=root)
    assert gone.sweeps == ("s", "s+seed-1")
    assert gone.row_files == 14
    assert contents(root) == before
    assert open_root(root).list_names("sweeps") == ["kept/", "s-too/"]
    with pytest.raises(InvalidValue, match=r"no sweep 's' under .*; there are: kept, s-too"):
        orchestrator.delete("s", storage=root)


def test_models_go_only_if_asked_and_if_no_other_sweep_has_rows_of_them(root: str) -> None:
    make_sweep(root, "kept", POINTS, original_key="shared")
    make_sweep(root, "s", POINTS, original_key="shared", retrained_key="own")
    keep_models(root, "shared", "own", "unknown", "ownother")
    orchestrator.delete("s", models=True, storage=root)
    left = {name.partition(".")[0].partition("-")[0] for name in contents(root, "artifacts")}
    assert {name.rpartition("/")[2] for name in left} == {"shared", "unknown", "ownother"}


def test_a_damaged_sweep_and_rows_without_a_sweep_can_be_deleted(many: str) -> None:
    write = open_root(many).write
    write("rows/copied/x.parquet", b"")
    for name in ("broken", "hurt", "copied"):
        orchestrator.delete(name, storage=many)
    assert [sweep.name for sweep in orchestrator.list_sweeps(storage=many)] == ["older", "newer"]
    assert open_root(many).list_names("rows") == ["newer/", "older/"]


def test_a_deletion_that_was_cut_short_is_finished_by_the_same_command(root: str) -> None:
    make_sweep(root, "s", POINTS)
    open_root(root).remove_folder("rows/s")
    orchestrator.delete("s", storage=root)
    assert contents(root) == {} or set(contents(root)) == {".storage"}


@pytest.mark.parametrize(
    "words", [["delete", "s"], ["rename", "s", "t"]], ids=lambda words: words[0]
)
def test_without_a_terminal_nothing_happens_unless_yes_is_given(
    tmp_path: Path, capsys, words
) -> None:  # type: ignore[no-untyped-def]
    root = str(tmp_path)
    make_sweep(root, "s", POINTS)
    before = contents(root)
    assert main([*words, "--storage", root]) == 2
    assert (
        capsys.readouterr().err
        == "orchestrator: without a terminal nobody can be asked: add --yes\n"
    )
    assert contents(root) == before
    assert main([*words, "--yes", "--storage", root]) == 0
    assert contents(root) != before
    assert "files of rows" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_on_a_terminal_the_answer_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    make_sweep(str(tmp_path), "s", POINTS)
    ours, theirs = pty.openpty()
    with (
        open(theirs, "r+b", buffering=0, closefd=True) as terminal,
        open(ours, "r+b", buffering=0) as user,
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(terminal))
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(terminal, write_through=True))
        user.write(answer.encode())
        assert main(["delete", "s", "--storage", str(tmp_path)]) == code
        said = ""
        while not said.rstrip().endswith(("nothing was changed", "deleted: s")):
            said += user.read(10_000).decode()  # a terminal gives a line at a time
        monkeypatch.undo()
    assert "7 files of rows" in said
    assert "Delete all this? [y/N]" in said
    assert (tmp_path / "sweeps" / "s").exists() == bool(code)


def test_a_new_sweep_may_have_the_name_of_a_deleted_one(root: str) -> None:
    config = make_sweep(root, "s", POINTS)
    orchestrator.delete("s", storage=root)
    with hold_sweep("s", root, print) as own:
        store_config(config, own)
    assert orchestrator.status("s", storage=root).state == "unfinished"
