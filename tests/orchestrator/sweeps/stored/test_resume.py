"""A sweep survives kill -9 of its driver at any moment, and Ctrl-C."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from program import ROOT, rows_of
from running import Sweep

from orchestrator.cli.main import main
from orchestrator.results.store import write_rows
from orchestrator.search.samplers import derived_seed
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.stored.ended import find_ended_rows


@pytest.mark.slow  # tests/faults/test_lost_nodes.py kills a driver too
@pytest.mark.parametrize("finished", [0, 4])
def test_a_killed_driver_is_resumed_without_loss_or_repetition(storage, orchestrate, finished):
    sweep = Sweep(storage, "killed")
    process = sweep.start()
    sweep.wait_for(process, finished)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = sweep.ended()
    done = orchestrate("resume", "killed", "--storage", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    after = sweep.ended()
    assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
    sweep.assert_whole()


def test_ctrl_c_keeps_what_is_finished_and_exits_130(storage, orchestrate):
    sweep = Sweep(storage, "stopped")
    process = sweep.start()
    sweep.wait_for(process, 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert f"orchestrator resume stopped --storage {storage}" in output.splitlines()[-1]
    assert "Traceback" not in output
    assert len(sweep.ended()) >= 2
    more = dataclasses.replace(sweep, trials=sweep.trials + 1)
    done = orchestrate("resume", "stopped", "--trials", more.trials, "--storage", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    more.assert_whole()
    kept = read_config("stopped", str(storage))
    assert (kept.trials, kept.budgets) == (4, dict.fromkeys(sweep.unlearners, 4))


def test_a_second_driver_on_the_same_sweep_is_refused(trained, capsys):
    with FileLock(trained / "sweeps" / "first" / "driver.lock"):
        assert main(["resume", "first", "--storage", str(trained)]) == 2
    assert "is being run by another process" in capsys.readouterr().err


RESUMED = """
import sys
from orchestrator.cli.main import main
code = main(["resume", "first", "--storage", sys.argv[1]])
print(code, sorted(set(sys.modules) & {"ray", "torch"}))
"""


def test_resuming_a_finished_sweep_says_so_without_ray_also_when_its_files_were_merged(
    trained, tmp_path
):
    storage = shutil.copytree(trained, tmp_path / "storage")
    before = rows_of(storage, "first")
    assert main(["compact", "--storage", str(storage)]) == 0
    done = subprocess.run(
        [sys.executable, "-c", RESUMED, storage], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
    assert "sweep first is finished: 12 trials" in done.stdout
    assert "Pareto front of first" in done.stdout
    assert rows_of(storage, "first") == before


def test_a_sweep_that_lacks_anything_has_not_ended(trained, tmp_path):
    """A trial, a model's row, or a file of rows that can be read: a driver makes each of them again."""
    config = read_config("first", str(trained))
    assert find_ended_rows(config) is not None
    assert find_ended_rows(dataclasses.replace(config, trials=4)) is None
    assert find_ended_rows(dataclasses.replace(config, name="second")) is None
    kinds = ("[!or]*.parquet", "original-*.parquet", "reference-*.parquet")
    for number, (kind, harm) in enumerate(itertools.product(kinds, (os.unlink, cut))):
        storage = tmp_path / str(number)
        for part in ("sweeps", "rows"):
            shutil.copytree(trained / part / "first", storage / part / "first")
        harm(next((storage / "rows" / "first").glob(kind)))
        assert find_ended_rows(dataclasses.replace(config, storage=str(storage))) is None


def cut(file: Path) -> None:
    """As a full disk does."""
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("trials", "said"), [("2", "has 3 per method already"), ("0", "has 3 per method already")]
)
def test_fewer_trials_than_before_are_refused_and_nothing_is_written(trained, capsys, trials, said):
    file = trained / "sweeps" / "first" / "config.json"
    before = file.read_bytes()
    assert main(["resume", "first", "--trials", trials, "--storage", str(trained)]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert file.read_bytes() == before


def test_more_trials_of_a_running_sweep_are_refused(trained, capsys):
    file = trained / "sweeps" / "first" / "config.json"
    before = file.read_bytes()
    with FileLock(trained / "sweeps" / "first" / "driver.lock"):
        assert main(["resume", "first", "--trials", "4", "--storage", str(trained)]) == 2
    assert "is being run by another process" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.slow  # three sweeps
def test_a_killed_random_search_runs_the_very_trials_of_an_undisturbed_one(storage, orchestrate):
    """One trial at a time: they depend on the seed alone, and so do their names."""
    more = ("--sampler", "random", "--max-concurrent", "1")
    undisturbed = Sweep(storage, "undisturbed", unlearners=("ssd", "finetune"), more=more)
    said, _ = (process := undisturbed.start()).communicate(timeout=300)
    assert process.returncode == 0, said
    killed = Sweep(storage, "killed", unlearners=("ssd", "finetune"), more=more)
    killed.wait_for(process := killed.start(), 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    said, _ = (process := killed.resume()).communicate(timeout=300)
    assert process.returncode == 0, said
    assert killed.ended().keys() == undisturbed.ended().keys()
    killed.assert_whole()


def test_a_store_of_the_first_version_is_counted_and_gone_on_with(trained, tmp_path):
    """It numbered the trials of a method, and kept studies that knew these numbers."""
    storage = Path(shutil.copytree(trained, tmp_path / "storage"))
    named_by_numbers(storage, "first")
    (storage / "sweeps" / "first" / "studies.journal").write_text("of the first version")
    lost = rows_of_trial(storage, "ssd-0001")[0]
    (storage / "rows" / "first" / f"{lost['trial_key']}.parquet").unlink()
    sweep = Sweep(
        storage, "first", unlearners=("finetune", "finetune-l1", "gradient-ascent", "ssd")
    )
    kept = sweep.ended()
    assert len(kept) == 11
    said, _ = (process := sweep.resume()).communicate(timeout=300)
    assert process.returncode == 0, said
    assert "going on: 11 trials are finished" in said
    after = sweep.ended()
    assert {k: after[k] for k in kept} == kept
    (new,) = after.keys() - kept.keys()
    assert rows_of_trial(storage, new)[-1]["seed"] == lost["seed"], "the number that was free"
    sweep.assert_whole()


def named_by_numbers(storage: Path, sweep: str) -> None:
    """Call each trial UNLEARNER-NUMBER, by the number that its seed comes from."""
    for file in (storage / "rows" / sweep).glob("[!or]*.parquet"):
        rows = pq.ParquetFile(file).read().to_pylist()
        unlearner = rows[0]["unlearner"]
        names = (f"{unlearner}-{number:04d}" for number in itertools.count())
        own = next(name for name in names if derived_seed(0, name) == rows[0]["seed"])
        file.unlink()
        write_rows(storage, sweep, file.stem, [row | {"trial_id": own} for row in rows])


def rows_of_trial(storage: Path, trial_id: str) -> list[dict[str, Any]]:
    return [row for row in rows_of(storage, "first") if row["trial_id"] == trial_id]
