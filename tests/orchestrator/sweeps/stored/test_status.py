"""`orchestrator status`: how far a sweep is, from its folder alone."""

from __future__ import annotations

from datetime import timedelta

from filelock import FileLock
from store_rows import NOON
from store_sweeps import make_sweep

from orchestrator.sweeps.status import measure_gap, read_status


def test_a_finished_sweep_and_its_front(trained, orchestrate):
    done = orchestrate("status", "first", "--storage", trained)
    assert done.returncode == 0, done.stderr
    assert "first: finished" in done.stdout
    assert "12/12 trials" in done.stdout
    assert "Pareto front of first" in done.stdout


def test_an_unfinished_sweep_says_how_to_go_on_unless_a_driver_is_at_it(storage, trained, capsys):
    import shutil

    from orchestrator.cli.main import main

    for part in ("sweeps", "rows"):
        shutil.copytree(trained / part / "first", storage / part / "first")
    for lost in sorted((storage / "rows" / "first").glob("[!or]*.parquet"))[:2]:
        lost.unlink()
    assert main(["status", "first", "--storage", str(storage)]) == 0
    said = capsys.readouterr().out
    assert "10/12 trials" in said
    assert f"orchestrator resume first --storage {storage}" in said
    with FileLock(storage / "sweeps" / "first" / "driver.lock"):
        assert main(["status", "first", "--storage", str(storage)]) == 0
    assert "first: running" in capsys.readouterr().out


def test_the_usual_time_between_two_ends_heeds_no_pause():
    ends = [NOON + timedelta(seconds=at) for at in (0, 10, 20, 5000, 5010, 5022)]
    assert measure_gap(ends) == 10
    assert measure_gap(ends[:2]) is None


def test_a_running_sweep_is_told_the_time_that_is_left(tmp_path):
    """Six of ten trials have ended, one every half a minute."""
    points = [(0.8, 0.5 + n / 100, 0.1) for n in range(6)]
    ends = {f"ssd-{n}": NOON + timedelta(seconds=30 * n) for n in range(6)}
    root, trials = str(tmp_path), {"trials": 10, "budgets": {"ssd": 10}}
    make_sweep(root, "s", points, config=trials, ends=ends)
    assert read_status("s", root).progress.format_line().endswith("time left unknown yet")
    with FileLock(tmp_path / "sweeps" / "s" / "driver.lock"):
        assert read_status("s", root).progress.format_line().endswith("about 2 min left")
