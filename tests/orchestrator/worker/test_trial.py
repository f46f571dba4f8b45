"""A worker's trial, in this process: what becomes of one that cannot begin, or fails on its way."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from optuna.trial import TrialState
from ray.exceptions import RayTaskError
from workers import FREE, answer, propose, settings

from analysis.results import read_sweep
from orchestrator.execution.ray_patches import node_of
from orchestrator.execution.searcher import StudySearch
from orchestrator.execution.worker_deaths import Deaths, UnfitWorker
from orchestrator.reporting.front_table import front_rows
from orchestrator.reporting.progress import Progress
from orchestrator.results.columns import MEASURED
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.store import read_finished_trials, read_results
from orchestrator.search.study import UnlearnerStudy
from orchestrator.worker.early_stopping import Limits
from orchestrator.worker.settings import WorkerSettings, get_workbench
from tasks.errors import StorageFault, UnfitNode
from tasks.provenance import read_host
from tasks.search_space import Float, Int
from tasks.unlearners.base import Unlearner

PARETO = OBJECTIVES["pareto"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage root with the original model of the digits alone."""
    root = tmp_path_factory.mktemp("original")
    get_workbench(settings(root), 1).artifact("original")
    return root


@pytest.fixture
def storage(original: Path, tmp_path: Path) -> Path:
    """A fresh copy of it."""
    return Path(shutil.copytree(original, tmp_path / "storage"))


def step(
    settings: WorkerSettings, unlearner: str = "ssd", limits: Limits = FREE, **params: Any
) -> dict[str, Any]:
    """What a worker reports of one trial."""
    return answer(settings, [propose(unlearner, **params)], limits)


def test_a_row_says_what_is_guaranteed_and_what_that_assumes(storage: Path) -> None:
    step(settings(storage), "noisy-finetune", epochs=1, epsilon=2.5)
    step(settings(storage), "ssd")
    said = {row["unlearner"]: row["certificate"] for row in read_results(str(storage)).to_pylist()}
    assert said["noisy-finetune"].startswith("ε = 2.5, δ = 1e-05, if the batches depend on the")
    assert said["ssd"] is None


def vanished(settings: WorkerSettings) -> WorkerSettings:
    """The data were there when the driver looked, and are not on this node."""
    return settings


def damaged(settings: WorkerSettings) -> WorkerSettings:
    """This node's copy of the data is another file altogether."""
    assert settings.data_dir is not None
    settings.data_dir.mkdir()
    for split in ("train", "test"):
        (settings.data_dir / f"{split}.parquet").write_text("not found, says the proxy")
    return settings


@pytest.mark.parametrize("how", [vanished, damaged])
def test_data_that_a_node_lacks_fail_no_trial_and_end_the_sweep_at_last(tmp_path, monkeypatch, how):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "torchvision.datasets.CIFAR10.url", "http://127.0.0.1:9/cifar-10-python.tar.gz"
    )
    here = settings(tmp_path / "storage", "cifar10-class:automobile", data_dir=tmp_path / "data")
    with pytest.raises(UnfitNode) as unfit:
        step(how(here))
    assert str(tmp_path / "data") in str(unfit.value)
    assert f"(on {read_host()})" in str(unfit.value)
    assert len(read_results(tmp_path / "storage")) == 0
    deaths = Deaths(node_of)
    death = deaths.judged(RayTaskError("step", "its traceback", unfit.value))
    assert isinstance(death, UnfitWorker)
    death.is_avoided = True
    assert not deaths.is_last({"trial_id": "ssd-0000"}, death)
    assert not deaths.counts("ssd-0000")
    search = StudySearch([], {}, "task", lambda call: deaths.why_given_up(call[0]["trial_id"]))
    search.running["tune-a"] = [{"unlearner": "ssd", "trial_id": "ssd-0000"}]
    search.on_trial_complete("tune-a", error=True)
    with pytest.raises(StorageFault, match=re.escape(str(unfit.value))):
        search.check()


def test_a_node_with_other_data_than_the_sweep_stores_no_row_and_trains_no_model(storage):
    before = sorted(file.name for file in (storage / "artifacts").iterdir())
    with pytest.raises(UnfitNode) as unfit:
        step(settings(storage, data="0123456789abcdef"))
    assert "0123456789abcdef" in str(unfit.value)
    assert f"(on {read_host()})" in str(unfit.value)
    assert sorted(file.name for file in (storage / "artifacts").iterdir()) == before
    assert not (storage / "rows").exists()


def test_models_that_cannot_be_read_fail_no_trial_either(storage):
    for weights in (storage / "artifacts").glob("*.pt"):
        weights.unlink()
        weights.mkdir()
    result = step(settings(storage))
    assert "Is a directory" in result["unstored"]
    assert not (storage / "rows").exists()


@pytest.mark.parametrize(("lr", "reason"), [(1e30, "diverged"), (-1.0, "lr")])
def test_a_trial_that_fails_by_itself_is_a_failed_row(storage, lr, reason):
    result = step(settings(storage), "finetune", lr=lr)
    assert [row["state"] for row in result["rows"]] == ["failed"]
    (row,) = read_results(storage).to_pylist()
    assert json.loads(row["params"]) == {"lr": lr}
    assert reason in row["error"]


@dataclass(frozen=True)
class Overreaches(Unlearner):
    """Diverges in its third epoch."""

    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    epochs: Annotated[int, Int(1, 5)] = 5

    def unlearn(self, model, retain, forget, rng) -> Iterator[None]:  # type: ignore[no-untyped-def]
        for epoch in range(self.epochs):
            if epoch == 2:
                for parameter in model.parameters():
                    parameter.data.fill_(float("nan"))
            yield


def test_the_points_before_a_failure_are_kept_and_count_on_the_front(storage):
    method = f"{__name__}:Overreaches"
    study = UnlearnerStudy(method, PARETO, "random", 0)
    trial = study.ask("task")
    trial["params"]["epochs"] = 5
    result = step(settings(storage, objective_columns=PARETO.metrics), method, **trial["params"])

    rows = read_finished_trials(storage, "s")[f"{method}-0000"]
    assert [(r["epoch"], r["final"], r["state"]) for r in rows] == [
        (1, False, "complete"), (2, False, "complete"), (3, True, "failed"),
    ]  # fmt: skip
    assert [r["error"] is None for r in rows] == [True, True, False]
    assert [r["test_accuracy"] is None for r in rows] == [False, False, True]
    assert rows[1]["relative_cost"] is not None

    study.tell(trial["trial_id"], result["rows"])
    assert [t.state for t in study.trials] == [TrialState.FAIL]

    progress = Progress(PARETO, 1)
    progress.finish(result["rows"])
    assert (progress.done, progress.failed, progress.left) == (0, 1, 0)
    assert progress.hypervolume > 0

    front = front_rows(rows, PARETO)
    assert front
    assert {r["epoch"] for r in front} <= {1, 2}
    sweep = read_sweep(str(storage))
    assert [r["epoch"] for r in sweep.points] == [1, 2]
    assert sweep.finals == []
    assert [r["epoch"] for r in sweep.failures] == [3]


@dataclass(frozen=True)
class Rounds(Unlearner):
    """Yields as often as a parameter says whose name nobody knows."""

    rounds: Annotated[int, Int(1, 9)] = 5

    def unlearn(self, model, retain, forget, rng) -> Iterator[None]:  # type: ignore[no-untyped-def]
        for _ in range(self.rounds):
            yield


@pytest.mark.parametrize(
    ("rounds", "points", "state"), [(5, 2, "pruned"), (2, 2, "pruned"), (1, 1, "complete")]
)
def test_a_method_of_unknown_length_is_ended_too_once_it_goes_on(storage, rounds, points, state):
    step(settings(storage), f"{__name__}:Rounds", Limits(cost=0.0), rounds=rounds)
    rows = read_results(storage).to_pylist()
    assert [(r["epoch"], r["state"]) for r in rows] == [(n + 1, state) for n in range(points)]
    assert all(r["test_accuracy"] is not None for r in rows)


def test_a_method_with_a_single_point_is_not_ended_at_it(storage):
    step(settings(storage), "ssd", Limits(cost=0.0))
    assert [r["state"] for r in read_results(storage).to_pylist()] == ["complete"]


def test_an_objective_is_refused_for_what_really_has_no_value(storage):
    step(settings(storage, "digits-random:0.1"), "ssd")
    (row,) = read_results(storage).to_pylist()
    undefined = {c.name for c in MEASURED if c.only or c.tier == "request"}
    assert {c.name for c in MEASURED if row[c.name] is None} == undefined


def test_metrics_on_request_are_of_a_trials_last_point_alone(storage):
    asked = ("nomus", "excess_divergence", "quantised_4_bit_gap")
    step(settings(storage, metrics=asked), "finetune", epochs=2, retain_share=0.1)
    first, last = read_results(storage).to_pylist()
    assert [first[name] for name in asked] == [None] * 3
    assert 0 <= last["nomus"] <= 1
    assert None not in [last[name] for name in asked]
    assert last["pgd_gap"] is None
