"""`orchestrator run`: one trial in one process, where neither Ray nor Optuna is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from program import ENVIRONMENT, ROOT, command

from orchestrator.results.columns import COSTS
from tasks.evaluation import list_in_rows

WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "optuna", "ffcv"}:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked by the test)", name=name)

sys.meta_path.insert(0, Refuse())
"""


def without(tmp_path: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """Run a command line where those packages cannot be imported."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    environment = ENVIRONMENT | {"PYTHONPATH": str(tmp_path)}
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_it_prints_all_metrics_without_ray_optuna_and_ffcv(tmp_path: Path) -> None:
    run = command(
        "run", "--task", "digits-class:1", "--unlearner", "finetune", "--set", "epochs=2",
        "--storage", tmp_path / "storage",
    )  # fmt: skip
    done = without(tmp_path, *run)
    assert done.returncode == 0, done.stderr
    printed = [line.split(" = ")[0].strip() for line in done.stdout.splitlines() if " = " in line]
    assert printed == 2 * [*list_in_rows(), *(c.name for c in COSTS)]
    assert "epoch 1:" in done.stdout
    assert "epoch 2:" in done.stdout


def test_they_cannot_be_imported_there(tmp_path: Path) -> None:
    """Guards the test above: a blocker that blocks nothing would let it pass."""
    for package in ("ray", "optuna", "ffcv"):
        refused = without(tmp_path, command()[0], "-c", f"import {package}")
        assert "blocked by the test" in refused.stderr
