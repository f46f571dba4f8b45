"""What all scripts share: which sweep they take, and how they end on input that is no good."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from analysis import cs726_table, metric_table, param_importance, pareto_front, results

SCRIPTS = [pareto_front, metric_table, param_importance, cs726_table]
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=SCRIPTS, ids=lambda module: module.__name__.rpartition(".")[2])
def script(request):
    return request.param


def one_error(captured):
    """The single line on standard error, with nothing on standard output."""
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    return line


def test_missing_folder_is_one_line_and_exit_code_2(script, tmp_path, capsys):
    assert script.main([str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in one_error(capsys.readouterr())


def test_empty_store_is_one_line_and_exit_code_2(script, tmp_path, capsys):
    assert script.main([str(tmp_path)]) == 2
    assert f"no results in {tmp_path}" in one_error(capsys.readouterr())


def test_unknown_sweep_lists_the_valid_ones(script, store, row, capsys):
    root = store(row("finetune-0", sweep="one"), row("finetune-0", sweep="two"))
    assert script.main([str(root), "--sweep", "three"]) == 2
    assert "unknown sweep 'three'; valid: one, two" in one_error(capsys.readouterr())


def test_unknown_flag_is_one_line_and_exit_code_2(script, tmp_path, capsys):
    assert script.main([str(tmp_path), "--swep", "x"]) == 2
    assert "--swep" in one_error(capsys.readouterr())


def test_partial_store_is_shown_with_a_note(script, store, row, capsys):
    root = store(row("finetune-0"), row("finetune-1", state="failed", error="diverged"))
    assert script.main([str(root)]) == 0
    said = capsys.readouterr().err
    assert "no row of the original model yet" in said
    assert "no row of the retrained model yet" in said
    assert "1 failed trials are left out" in said


def test_baselines_alone_are_shown_with_a_note(script, store, baselines, capsys):
    assert script.main([str(store(*baselines))]) == 0
    assert "no complete trial yet" in capsys.readouterr().err


def test_latest_sweep_is_taken_and_said(script, store, row, capsys):
    late = row("finetune-0")["finished_at"] + timedelta(days=1)
    root = store(
        row("finetune-0", sweep="new", finished_at=late, task="digits-class:1"),
        row("finetune-0", sweep="old"),
    )
    assert script.main([str(root)]) == 0
    assert "the latest sweep, new; --sweep chooses another: old" in capsys.readouterr().err
    assert script.main([str(root), "--sweep", "old"]) == 0
    assert "the latest sweep" not in capsys.readouterr().err


def test_damaged_file_is_skipped_with_one_note(store, row, baselines, capsys):
    root = store(*baselines, row("finetune-0"), row("finetune-1"))
    victim = root / "rows" / "deck" / "finetune-1.parquet"
    victim.write_bytes(victim.read_bytes()[:100])
    assert metric_table.main([str(root)]) == 0
    captured = capsys.readouterr()
    notes = captured.err.splitlines()
    assert len(notes) == 1
    assert notes[0].startswith("note: skipped a damaged results file")
    assert any(line.split()[:2] == ["finetune", "finetune-0"] for line in captured.out.splitlines())


def test_store_of_damaged_files_alone_is_exit_code_2(script, store, row, capsys):
    root = store(row("finetune-0"))
    (root / "rows" / "deck" / "finetune-0.parquet").write_bytes(b"nonsense")
    assert script.main([str(root)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "damaged" in lines[0]
    assert lines[-1].startswith("error: no results in")


def test_runs_as_a_script_from_another_folder(script, store, row, baselines, tmp_path):
    """A process of its own, with nothing of the repository on its path."""
    root = store(*baselines, *(row(f"finetune-{i}", params={"lr": 0.1 * i}) for i in range(1, 6)))
    bare = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, script.__file__, root],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "finetune" in done.stdout


def test_runs_as_a_module_and_passes_its_exit_code_on(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "analysis.metric_table", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_pruned_trial_has_points_but_no_result(store, row):
    pruned = {"state": "pruned", "error": "fell below the floor"}
    root = store(
        row("finetune-0000", epoch=1, final=False, **pruned),
        row("finetune-0000", epoch=2, final=True, **pruned),
        row("finetune-0001"),
    )
    sweep = results.read_sweep(str(root))
    assert [(r["trial_id"], r["epoch"]) for r in sweep.points] == [
        ("finetune-0000", 1), ("finetune-0000", 2), ("finetune-0001", 1),
    ]  # fmt: skip
    assert [r["trial_id"] for r in sweep.finals] == ["finetune-0001"]
    assert sweep.failures == []


def test_an_ascii_terminal_gets_every_table(script, store, row, baselines, tmp_path, monkeypatch):
    root = store(*baselines, row("finetune-0"), row("finetune-1", accuracy=0.9))
    monkeypatch.chdir(tmp_path)
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    assert script.main([str(root)]) == 0
    shown.flush()
    assert shown.buffer.getvalue().isascii()


def test_what_a_terminal_would_obey_is_shown_as_its_escape(store, row, capsys):
    """A store is data: a name in it could hide lines, or write to the clipboard."""
    root = store(row("finetune-0", sweep="red\x1b[31m"), row("finetune-0", sweep="two"))
    assert metric_table.main([str(root), "--sweep", "three"]) == 2
    assert "valid: red\\x1b[31m, two" in one_error(capsys.readouterr())
    assert metric_table.main([str(root), "--sweep", "red\x1b[31m"]) == 0
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "red\\x1b[31m" in said.out + said.err
