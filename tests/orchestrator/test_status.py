"""`orchestrator status`: how far a sweep is, from its folder alone."""

from __future__ import annotations

from filelock import FileLock


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
