"""A sweep with a method that needs a calibration split: decided once, said, and stored for all that follows."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from program import rows_of

from orchestrator.cli.main import main
from orchestrator.cluster.resources import Resources
from orchestrator.config import SweepConfig
from orchestrator.reporting.recommended import spell_run
from orchestrator.sweeps.confirm import plan_repeats
from orchestrator.sweeps.data_check import choose_task
from orchestrator.sweeps.folder import read_config, store_config
from orchestrator.sweeps.plan import resolve
from orchestrator.sweeps.stored.adopted import adopt_stored
from orchestrator.sweeps.stored.sealed_config import DIGEST, seal_settings
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root
from tasks.task import Task

TWO_CPUS = Resources(((2, 0),))
PLAIN = SweepConfig(task="digits-class:1", unlearners=("finetune",), trials=2)
NEEDY = dataclasses.replace(PLAIN, unlearners=("finetune", "lotus", "kde"))


@pytest.mark.parametrize(
    ("config", "kept"),
    [(PLAIN, False), (NEEDY, True), (dataclasses.replace(PLAIN, calibration=True), True)],
)
def test_a_plan_keeps_one_if_a_method_needs_it_or_it_is_asked_for(
    config: SweepConfig, kept: bool
) -> None:
    plan = resolve(config, "s", TWO_CPUS, print)
    assert plan.task.calibration is plan.config.calibration is kept
    assert plan.worker_settings("0" * 16).task == plan.task


def test_what_it_takes_is_said_once_with_the_methods_that_need_it() -> None:
    said: list[str] = []
    assert not choose_task(PLAIN, said.append).calibration
    assert said == []
    assert choose_task(NEEDY, said.append).calibration
    labels = Task.named("digits-class:1").load().held_out.labels
    parts = Task.named("digits-class:1", calibration=True).cut(labels)
    assert said == [
        f"NOTICE: for lotus, kde, a calibration split takes {len(parts.calibration)} of {len(labels)} held-out "
        f"images: {len(parts.validation)} instead of {len(labels) // 2} images in the validation half, "
        f"{len(parts.test)} instead of {len(labels) - len(labels) // 2} images in the test half"
    ]


def keep(config: SweepConfig, storage: Path) -> SweepConfig:
    """Store it as the sweep `s`, as a version before calibration splits did; return it with its place."""
    config = dataclasses.replace(config, name="s", storage=str(storage))
    store_config(config, open_root(f"{storage}/sweeps/s"))
    file = storage / "sweeps" / "s" / "config.json"
    stored = json.loads(file.read_text())
    assert stored.pop("calibration") is False
    del stored[DIGEST]  # nor was there one
    file.write_text(json.dumps(stored))
    return config


def test_a_sweep_from_before_goes_on_as_it_was(tmp_path: Path) -> None:
    keep(PLAIN, tmp_path)
    stored = read_config("s", str(tmp_path))
    assert not adopt_stored(choose_task(adopt_stored(stored), print)).calibration


def test_a_sweep_whose_method_has_come_to_need_one_is_not_mixed(tmp_path: Path) -> None:
    """Its finished rows are of larger halves."""
    config = choose_task(keep(NEEDY, tmp_path), print)
    with pytest.raises(InvalidValue, match="calibration was False, now True"):
        adopt_stored(config)


def test_a_sweep_goes_on_with_its_own(tmp_path: Path) -> None:
    stored = dataclasses.replace(NEEDY, name="s", storage=str(tmp_path), calibration=True)
    store_config(stored, open_root(f"{tmp_path}/sweeps/s"))
    again = dataclasses.replace(stored, calibration=False)
    assert adopt_stored(again).calibration


def test_confirming_a_sweep_keeps_one_even_if_its_front_needs_none(
    trained: Path, tmp_path: Path
) -> None:
    storage = shutil.copytree(trained, tmp_path / "storage")
    file = storage / "sweeps" / "first" / "config.json"
    assert not any(c.calibration for c in plan_repeats("first", 2, str(storage), None))
    stored = json.loads(file.read_text()) | {"calibration": True}
    del stored[DIGEST]
    file.write_bytes(seal_settings(json.dumps(stored)))
    assert all(c.calibration for c in plan_repeats("first", 2, str(storage), None))


def test_a_small_sweep_from_its_start_to_an_exported_model(
    storage: Path, orchestrate: Callable[..., CompletedProcess[str]], trained: Path, tmp_path: Path
) -> None:
    models = set((storage / "artifacts").glob("*.pt"))
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "lotus", "--trials", "2", "--name", "needy",
        "--storage", storage,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("NOTICE: for lotus, a calibration split takes") == 1
    assert set((storage / "artifacts").glob("*.pt")) == models, "the models are the same"
    config = read_config("needy", str(storage))
    assert config.calibration
    rows, before = rows_of(storage, "needy"), rows_of(trained, "first")
    task = Task.named("digits-class:1", calibration=True)
    assert {row["task_key"] for row in rows} == {task.key(task.load())}
    assert not {row["task_key"] for row in rows} & {row["task_key"] for row in before}
    assert {row["original_key"] for row in rows} == {row["original_key"] for row in before}
    trials = [row for row in rows if row["role"] == "trial"]
    assert {row["state"] for row in trials} == {"complete"}
    assert "--calibration" in spell_run(config, trials[0])
    weights = tmp_path / "model.safetensors"
    which = ["needy", trials[0]["trial_id"], "--storage", str(storage)]
    assert main(["export", *which, "--output", str(weights)]) == 0
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["largest_difference"] == 0.0, "measured on the same halves"
