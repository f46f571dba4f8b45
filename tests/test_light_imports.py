"""What must answer at once imports nothing heavy: the command line, bad input, the driver of a sweep."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from program import ENVIRONMENT, FEWER, ROOT

IMPORTED = """
import sys
import {module}
print(" ".join(sorted({{m.partition(".")[0] for m in sys.modules}} & set({heavy!r}))))
"""


@pytest.mark.parametrize(
    "module",
    ["tasks", "tasks.task", "tasks.unlearners", "tasks.models", "orchestrator.results.store",
     "orchestrator.results.objectives", "orchestrator.results.pareto", "tasks.evaluation", "orchestrator.config"],
)  # fmt: skip
def test_what_a_command_line_needs_imports_nothing_heavy(module: str) -> None:
    """`list`, `--help` and bad input answer at once: torch, ray and optuna take seconds."""
    heavy = {"torch", "torchvision", "ray", "optuna", "scipy", "sklearn", "ffcv", "matplotlib"}
    source = IMPORTED.format(module=module, heavy=sorted(heavy))
    out = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == []


ANSWERED = """
import sys
from orchestrator.cli.main import main
main({arguments!r})
import orchestrator.worker.baselines, orchestrator.execution.searcher, orchestrator.sweeps.run
import orchestrator.worker.trainable
import orchestrator.execution.callback
print("torch._C" in sys.modules, "sklearn" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "unlearners"],
        ["sweep", "--unlearners", "finetun"],
        ["run", "--task", "digits-class:1", "--unlearner", "finetune", "--set", "lr=-7"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_driver_reads_the_unlearners_without_torch(arguments: list[str]) -> None:
    """Torch and scikit-learn take seconds, and it is the workers that compute."""
    source = ANSWERED.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "False False"


def test_the_driver_of_a_sweep_gets_by_without_torch(storage: Path) -> None:
    """From its settings to its front: half a gigabyte, and seconds before the first trial."""
    trial = ["--task", "digits-class:1", "--unlearners", "ssd", "--trials", "1", *FEWER]
    source = ANSWERED.format(arguments=["sweep", *trial, "--storage", str(storage)])
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "1/1 trials" in done.stdout
    assert "False False" in done.stderr.splitlines()


NOSY = """
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tasks.unlearners.base import Unlearner


@dataclass(frozen=True)
class Nosy(Unlearner):
    heavy = {"ray.tune", "ray.data", "sklearn", "torch._dynamo", "scipy.optimize", "optuna"}

    def unlearn(self, model, retain, forget, rng):
        (Path(os.environ["NOSY"]) / str(os.getpid())).write_text(" ".join(self.heavy & set(sys.modules)))
        yield
"""


def test_the_workers_of_a_sweep_import_what_a_trial_uses_alone(tmp_path: Path) -> None:
    """Each takes a tenth of a second to a second, in every worker, on the cores that wait for the first trial."""
    (tmp_path / "nosy.py").write_text(NOSY)
    found = tmp_path / "found"
    found.mkdir()
    trials = ["--task", "digits-class:1", "--unlearners", "nosy:Nosy", "--trials", "2", *FEWER]
    subprocess.run(
        [sys.executable, "-m", "orchestrator", "sweep", *trials, "--storage", str(tmp_path / "s")],
        cwd=tmp_path, env={**ENVIRONMENT, "NOSY": str(found)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = [file.read_text() for file in found.iterdir()]
    assert said
    assert not any(said), said
