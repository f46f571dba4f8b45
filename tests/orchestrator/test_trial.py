"""A worker's trial, in this process: what becomes of one that cannot begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.early_stopping import Limits
from orchestrator.search import StudySearch
from orchestrator.store import read_results
from orchestrator.trial import UnlearningTrial
from orchestrator.worker import WorkerSettings
from tasks.task import Task

FREE = Limits(floor=0.0, cost=100.0)


def settings(storage: Path, task: str = "digits-class:1", **more: Any) -> WorkerSettings:
    given: dict[str, Any] = {
        "sweep": "s", "task": Task.named(task), "storage": str(storage), "data_dir": None,
        "loader": "auto", "cpus": 1, "gpus": 0.0, "objective_metrics": (), "trial_seconds": None,
    }  # fmt: skip
    return WorkerSettings(**given | more)


def step(
    settings: WorkerSettings, unlearner: str = "ssd", limits: Limits = FREE, **params: Any
) -> dict[str, Any]:
    """What a worker reports of one trial."""
    worker = UnlearningTrial.__new__(UnlearningTrial)  # Tune's own set-up wants a cluster
    trial = {"trial_id": f"{unlearner}-0000", "unlearner": unlearner, "params": params, "seed": 0}
    worker.setup(trial, settings, "key", limits)
    return worker.step()


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
def test_data_that_a_node_lacks_fail_no_trial_and_end_the_sweep(tmp_path, monkeypatch, how):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "torchvision.datasets.CIFAR10.url", "http://127.0.0.1:9/cifar-10-python.tar.gz"
    )
    here = settings(tmp_path / "storage", "cifar10-class:automobile", data_dir=tmp_path / "data")
    result = step(how(here))
    assert str(tmp_path / "data") in result["unstored"]
    assert "rows" not in result
    assert len(read_results(tmp_path / "storage")) == 0
    search = StudySearch([], {}, [], on_crash=lambda trial: pytest.fail("it did not crash"))
    search.running["tune-a"] = {"unlearner": "ssd", "trial_id": "ssd-0000"}
    search.on_trial_complete("tune-a", result)
    with pytest.raises(OSError, match="data"):
        search.check()


def test_models_that_cannot_be_read_fail_no_trial_either(storage):
    for weights in (storage / "artifacts").glob("*.pt"):
        weights.unlink()
        weights.mkdir()
    result = step(settings(storage))
    assert "Is a directory" in result["unstored"]
    assert not (storage / "rows").exists()


def test_a_trial_that_fails_by_itself_is_a_failed_row(storage):
    result = step(settings(storage), "finetune", lr=1e30)
    assert [row["state"] for row in result["rows"]] == ["failed"]
    (row,) = read_results(storage).to_pylist()
    assert json.loads(row["params"]) == {"lr": 1e30}
    assert "lr" in row["error"]
