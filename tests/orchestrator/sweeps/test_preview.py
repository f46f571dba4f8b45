"""`--dry-run`: what a sweep would do, by what is stored; nothing is run or written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from program import ROOT

import orchestrator
from orchestrator.cli.main import main
from orchestrator.sweeps.local_bench import LocalBench
from tasks.roles import ORIGINAL, reference_role

SWEEP = (
    "--task", "digits-class:1", "--unlearners", "finetune", "ssd", "--trials", "4", "--references", "2",
    "--set", "epochs=4", "retain_share=1", "ssd.selection=5..20", "--require", "relative_cost<=.5",
)  # fmt: skip


def snapshot(folder: Path) -> dict[str, str]:
    """The files below a folder, by name, with the hash of each."""
    files = [f for f in folder.rglob("*") if f.is_file()]
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_the_plan_is_printed_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *SWEEP, "--storage", f"{tmp_path}/s", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not (tmp_path / "s").exists()
    assert lines[0] == f"sweep digits-class-1-pareto-1 under {tmp_path}/s"
    assert "required: relative_cost<=0.5" in lines
    ssd = lines.index(next(line for line in lines if line.startswith("  ssd: 4 trials, about ")))
    assert lines[ssd + 1 : ssd + 4] == [
        "      selection in 5..20 (log)",
        "      dampening in 0.05..2",
        "      retain_share = 1.0",
    ]
    assert "to be trained: original, retrained, reference-1" in lines
    assert any(line.startswith("time: not known") for line in lines)


def test_what_an_estimate_leaves_out_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """kodge passes no example backward: its decompositions are all that it costs."""
    assert main(
        ["sweep", "--task", "digits-class:1", "--unlearners", "kodge", "--storage", str(tmp_path), "--dry-run"]
    ) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "about 0 of a retrain each, and what it computes beside its passes\n" in said


def test_it_starts_neither_ray_nor_a_search() -> None:
    source = (
        "import sys; from orchestrator.cli.main import main;"
        f"main(['sweep', *{SWEEP!r}, '--storage', '/nowhere', '--dry-run']);"
        "print(sorted({'ray', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_costs_are_those_of_the_methods_and_cached_models_are_found(tmp_path: Path) -> None:
    bench = LocalBench(task="digits-class:1", storage=str(tmp_path), device="cpu")
    task, dataset = bench.load_task(lambda text: None, calibration=False)
    models = bench.open_bench(task, dataset, lambda *progress: None)
    for role in (ORIGINAL, reference_role(0)):
        models.artifact(role)
    before = snapshot(tmp_path)
    found = orchestrator.preview(
        task="digits-class:1", unlearners="finetune,retrain", trials=3, references=2, storage=tmp_path,
        gpus_per_trial=0, max_concurrent=1, set={"epochs": 4, "retain_share": 1},
    )  # fmt: skip
    assert snapshot(tmp_path) == before
    assert not isinstance(found.models, str)
    assert found.models.cached == (ORIGINAL, reference_role(0))
    assert found.models.missing == (reference_role(1),)
    recipe = models.fresh_model().recipe
    share = min(1.0, 4 / recipe.epochs)  # an epoch of finetune is one of a retrain
    assert found.trial_costs == pytest.approx({"finetune": share, "retrain": 1.0})
    assert found.search_cost == pytest.approx(3 * share + 1)
    seconds = models.artifact(reference_role(0)).record.seconds  # type: ignore[union-attr]
    assert found.seconds == pytest.approx((3 * share + 2) * seconds)


def test_a_forget_set_that_a_model_has_yet_to_choose_leaves_costs_unknown(tmp_path: Path) -> None:
    found = orchestrator.preview(task="digits-loss:top:20", unlearners="ssd", storage=tmp_path)
    assert list(found.list_lines())[-1].startswith("models, cost and time are not known: a model")
    assert list(tmp_path.iterdir()) == []
