"""What holds of a sweep that has ended, whatever happened to it: read from the raw files and the journal."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pyarrow.parquet as pq
import pytest
from optuna.trial import FrozenTrial, TrialState
from program import study_of

from orchestrator.results.objectives import Objective, objective_named
from orchestrator.sweeps.folder import read_config
from tasks.unlearners import unlearner_class

Rows = list[dict[str, Any]]
STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def files_of(storage: Path, sweep: str) -> dict[str, Rows]:
    """The rows of each trial and baseline, by trial_id, each from its one raw file; fails if two hold it."""
    trials: dict[str, Rows] = {}
    for file in sorted((storage / "rows" / sweep).glob("*.parquet")):
        rows = sorted(pq.ParquetFile(file).read().to_pylist(), key=lambda row: row["epoch"])
        (trial_id,) = {row["trial_id"] for row in rows}
        assert trial_id not in trials, f"{trial_id} is in two files"
        trials[trial_id] = rows
    return trials


def check_files(trials: dict[str, Rows], budget: dict[str, int], may_fail: set[str]) -> None:
    """Both baselines and the whole budget are there, each with the rows that its kind has."""
    assert {"original", "retrained"} <= trials.keys()
    methods = Counter(rows[0]["unlearner"] for rows in trials.values() if is_trial(rows))
    assert methods == budget
    for trial_id, rows in trials.items():
        assert [row["final"] for row in rows] == [False] * (len(rows) - 1) + [True], trial_id
        check_epochs(trial_id, rows)
        failed = rows[-1]["state"] == "failed"
        assert not failed or rows[-1]["unlearner"] in may_fail, rows[-1]["error"]


def check_epochs(trial_id: str, rows: Rows) -> None:
    """1..n for a method with results on the way, its last one alone for others and for baselines.

    One that failed has the points before it did, and a row for the one that it did not reach.
    """
    state, epochs = rows[-1]["state"], [row["epoch"] for row in rows]
    before = {row["state"] for row in rows[:-1]}
    if state == "failed":  # behind the points that it had measured
        assert before <= {"complete"}, trial_id
        assert epochs == (list(range(1, len(epochs) + 1)) if before else [0]), trial_id
        return
    assert before <= {state}, trial_id
    if not is_trial(rows):
        assert len(epochs) == 1, trial_id
        return
    wanted = json.loads(rows[0]["params"]).get("epochs", 1)
    if not unlearner_class(rows[0]["unlearner"]).anytime:
        assert epochs == [wanted], trial_id
    elif state == "complete":
        assert epochs == list(range(1, wanted + 1)), trial_id
    else:
        assert epochs == list(range(1, len(epochs) + 1)), trial_id
        assert len(epochs) < wanted, trial_id


def is_trial(rows: Rows) -> bool:
    """And no baseline."""
    return bool(rows[0]["role"] == "trial")


def check_study(storage: Path, sweep: str, unlearner: str, trials: dict[str, Rows]) -> None:
    """The study of one method, as others see it, says what the files say, and nothing else."""
    objective = objective_named(read_config(sweep, str(storage)).objective)
    study = study_of(storage, sweep, unlearner)
    kept = {k: rows for k, rows in trials.items() if rows[0]["unlearner"] == unlearner}
    kept = {k: rows for k, rows in kept.items() if is_trial(rows)}
    told = {}
    for trial in study.trials:
        assert trial.state.is_finished(), f"{trial.number} of {unlearner} is {trial.state.name}"
        if "end_of" not in trial.user_attrs:
            trial_id = trial.user_attrs["trial_id"]
            assert trial_id not in told, f"{trial_id} is in its study twice"
            told[trial_id] = trial
    assert told.keys() == kept.keys()
    for trial_id, rows in kept.items():
        check_result(told[trial_id], rows[-1], objective)
    check_ends(study, kept, objective)


def check_result(trial: FrozenTrial, last: dict[str, Any], objective: Objective) -> None:
    """A trial was told with the parameters and the values that its last row has."""
    method = unlearner_class(last["unlearner"])
    assert method.from_params(trial.params).params == json.loads(last["params"])
    values = objective.values(last) if last["state"] == "complete" else None
    finite = values is not None or last["state"] != "complete"
    assert trial.state == (STATES[last["state"]] if finite else TrialState.FAIL)
    if values is not None:
        assert trial.values == pytest.approx(values)


def check_ends(study: optuna.Study, kept: dict[str, Rows], objective: Objective) -> None:
    """The last result of each pruned trial was told once."""
    ends = [rows[-1] for rows in kept.values() if rows[-1]["state"] == "pruned"]
    wanted = {(row["trial_id"], row["epoch"]): objective.values(row) for row in ends}
    wanted = {point: values for point, values in wanted.items() if values is not None}
    points = [t for t in study.trials if "end_of" in t.user_attrs]
    found = {(t.user_attrs["end_of"], t.params["epochs"]): t.values for t in points}
    assert len(points) == len(found), "a point was told twice"
    assert found.keys() == wanted.keys()
    for point, values in wanted.items():
        assert found[point] == pytest.approx(values), point
