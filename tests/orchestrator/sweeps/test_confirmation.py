"""`orchestrator confirm`: the front of a sweep, run again with fresh seeds."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from program import ENVIRONMENT, command, rows_of
from running import Driver
from study_rows import PARETO

from orchestrator.cli.main import main
from orchestrator.results.confirmation.repeats import read_confirmation
from orchestrator.results.objectives import front_rows
from orchestrator.results.recommendation import choose_of_each_method
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.confirm import complete_repeat, plan_repeats
from orchestrator.sweeps.folder import hold_sweep, read_config, store_config
from orchestrator.sweeps.stored.adopted import adopt_stored
from tasks.errors import InvalidValue


@pytest.fixture
def first(trained, tmp_path) -> Path:
    """A storage root of this test's own with the finished sweep `first`."""
    return shutil.copytree(trained, tmp_path / "storage")


def select_front(storage: Path) -> dict[tuple[str, str], int]:
    """The last epoch on the front of each of its trials, by method and its other hyper-parameters."""
    last: dict[tuple[str, str], int] = {}
    for row in front_rows(rows_of(storage, "first"), PARETO):
        which = row["unlearner"], without_epochs(row["params"])
        last[which] = max(row["epoch"], last.get(which, 0))
    return last


def without_epochs(params: str) -> str:
    return json.dumps({k: v for k, v in json.loads(params).items() if k != "epochs"})


def ran(storage: Path, sweep: str) -> list[tuple[str, str, int]]:
    """What each trial of a sweep was, with the epoch that it ended at."""
    trials = (rows[-1] for rows in read_finished_trials(storage, sweep).values())
    return [
        (row["unlearner"], without_epochs(row["params"]), row["epoch"])
        for row in trials
        if row["role"] == "trial"
    ]


@pytest.mark.slow  # five models
def test_one_point_of_each_method_runs_again_with_the_same_models(first, orchestrate):
    done = orchestrate(
        "confirm", "first", "--points", "methods", "--seeds", "1", "--storage", first
    )
    assert done.returncode == 0, done.stdout + done.stderr
    repeat = "first+methods-seed-1"
    chosen = choose_of_each_method(rows_of(first, "first"), PARETO)
    expected = [(r["unlearner"], without_epochs(r["params"]), r["epoch"]) for r in chosen]
    assert sorted(ran(first, repeat)) == sorted(expected)
    assert {method for method, *_ in expected} == set(read_config("first", str(first)).unlearners)
    assert "Methods of first, run again with fresh seeds" in done.stdout
    models = set((first / "artifacts").iterdir())
    orchestrate("confirm", "first", "--seeds", "1", "--storage", first)
    assert set((first / "artifacts").iterdir()) == models, (
        "both choices of points have the same models"
    )
    found = read_confirmation(str(first), "first", "pareto", "methods")
    assert len(found.points) == len(expected)
    assert all(point.repeats.keys() == {1} for point in found.points)


@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_each_trial_of_the_front_runs_once_with_each_fresh_seed(first, orchestrate, killed):
    asked = ("confirm", "first", "--seeds", "2", "--storage", first)
    if killed:
        process = Driver(command(*asked), ENVIRONMENT, 0)
        while not any(row["role"] == "trial" for row in rows_of(first, "first+seed-1")):
            assert process.poll() is None, process.said
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = files(first)
    done = orchestrate(*asked)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = Counter((*which, epoch) for which, epoch in select_front(first).items())
    for seed in (1, 2):
        name = f"first+seed-{seed}"
        assert Counter(ran(first, name)) == expected
        rows = rows_of(first, name)
        assert {(row["confirms"], row["task_seed"]) for row in rows} == {("first", seed)}
        assert {"original", "retrained"} < {row["role"] for row in rows}
    seeds = [{row["seed"] for row in rows_of(first, f"first+seed-{n}")} for n in (1, 2)]
    seeds.append({row["seed"] for row in rows_of(first, "first") if row["role"] == "trial"})
    assert len(set().union(*seeds)) == sum(map(len, seeds)), "no seed is used twice"
    assert "Front of first, run again with fresh seeds" in done.stdout
    assert "minus the mean over fresh seeds" in done.stdout
    whole = files(first)
    assert before.items() <= whole.items()
    assert orchestrate("resume", "first+seed-1", "--storage", first).returncode == 0
    assert files(first) == whole
    assert main(["status", "first+seed-1", "--storage", str(first)]) == 0


def files(storage: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in (storage / "rows" / "first+seed-1").glob("*.parquet")}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("confirm", "frist"), "there are: first"),
        (("confirm", "first", "--seeds", "0"), "1..100"),
        (("confirm", "first", "--points", "font"), "did you mean front?"),
        (("sweep", "--points", "methods"), "--confirms another"),
        (("sweep", "--confirms", "first"), "--seed 0 is the seed of sweep 'first' itself"),
        (("sweep", "--confirms", "first", "--seed", "1", "--trials", "9"), "--trials cannot be given"),
        (("sweep", "--confirms", "first", "--seed", "1", "--task", "digits-class:2"), "digits-class:1"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_confirmed_is_one_line(trained, capsys, arguments, expected):
    before = sorted((trained / "sweeps").iterdir())
    assert main([*arguments, "--storage", str(trained)]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
    assert sorted((trained / "sweeps").iterdir()) == before


def test_a_front_that_has_moved_since_does_not_change_what_is_run(first):
    (config,) = plan_repeats("first", 1, str(first), None)
    with hold_sweep(config.name, config.storage, print) as own:
        store_config(config, own)
    for row in front_rows(rows_of(first, "first"), PARETO)[:1]:
        (first / "rows" / "first" / f"{row['trial_key']}.parquet").unlink()
    (later,) = plan_repeats("first", 1, str(first), None)
    assert adopt_stored(later).given == config.given


def test_a_sweep_that_has_not_ended_is_not_confirmed_yet(first, capsys):
    (first / "rows" / "first" / f"{rows_of(first, 'first')[0]['trial_key']}.parquet").unlink()
    assert main(["confirm", "first", "--storage", str(first)]) == 2
    assert "orchestrator resume first" in capsys.readouterr().err


def test_a_trial_is_cut_where_its_point_is_but_not_if_that_is_its_own_end(first):
    """A method may end before its last epoch, and what it does may depend on how many it has."""
    (config,) = plan_repeats("first", 1, str(first), None)
    by_trial = {}
    for row in front_rows(rows_of(first, "first"), PARETO):
        by_trial[row["trial_id"]] = row
    for row in by_trial.values():
        asked = json.loads(row["params"]).get("epochs")
        epochs = {p.get("epochs") for p in config.given[row["unlearner"]]}
        assert (asked if row["final"] else row["epoch"]) in epochs or asked is None


def test_a_point_runs_again_with_its_own_settings_or_is_refused(first):
    """A setting that no search moves may have been set, or have another default by now."""
    (config,) = plan_repeats("first", 1, str(first), None)
    method, trials = next(iter(config.given.items()))
    changed = {method: [{**trials[0], "batch_size": 7}]}
    assert complete_repeat(dataclasses.replace(config, given=changed)).given == changed
    gone = {method: [{**trials[0], "of_the_past": 7}]}
    with pytest.raises(InvalidValue, match="has no hyper-parameter 'of_the_past'"):
        complete_repeat(dataclasses.replace(config, given=gone))
