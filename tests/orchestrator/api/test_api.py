"""The public API: what a script or a notebook calls, and what docs/api.md promises of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from program import ENVIRONMENT, ROOT

import orchestrator
from orchestrator.results.store import read_results
from tasks.errors import InvalidValue

IMPORTED = """
import sys, time
start = time.process_time()
import orchestrator
print(time.process_time() - start, sorted(set(sys.modules) & {"torch", "ray", "optuna", "pyarrow", "rich"}))
"""


def test_the_import_alone_takes_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seconds, modules = done.stdout.split(" ", 1)
    assert float(seconds) < 0.1
    assert modules.strip() == "[]"


def test_every_public_name_is_there_and_no_other() -> None:
    assert {
        "SweepConfig", "sweep", "resume", "confirm", "status", "run_trial", "read_results", "front", "list_sweeps",
        "compare", "rename", "delete",
    } <= set(orchestrator.__all__)  # fmt: skip
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name).__doc__, name
        assert name in dir(orchestrator)
    with pytest.raises(AttributeError, match="no attribute 'swep'"):
        _ = orchestrator.swep


class Noting(orchestrator.Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def started(self, progress: Any) -> None:
        self.told.append(f"started {progress.done}")

    def trial_finished(self, rows: Sequence[Any], progress: Any) -> None:
        self.told.append(f"finished {progress.done} with {len(rows)} rows")

    def front_changed(self, progress: Any) -> None:
        self.told.append("front changed")

    def ended(self, progress: Any) -> None:
        self.told.append(f"ended {progress.done}")


def test_a_sweep_returns_what_it_stored_and_tells_its_observers(
    storage: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noting = Noting()
    found = orchestrator.sweep(
        task="digits-class:1", unlearners=["gradient-ascent"], trials=2, name="mine",
        storage=storage, max_concurrent=1, references=2, observers=[noting],
    )  # fmt: skip
    assert found.results.equals(read_results(storage, "mine"))
    assert found.original is not None
    assert found.retrained is not None
    assert found.original["test_accuracy_forgotten"] > found.retrained["test_accuracy_forgotten"]
    assert set(found.front["role"].to_pylist()) == {"trial"}
    assert found.front.equals(orchestrator.front(found.results))
    picture = found._repr_png_()
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert noting.told[0] == "started 0"
    assert noting.told[-1] == "ended 2"
    assert [line.partition(" with")[0] for line in noting.told if line.startswith("finished")] == [
        "finished 1",
        "finished 2",
    ]
    assert "front changed" in noting.told
    assert any("2 trials" in line for line in noting.lines)
    assert "trials" not in capfd.readouterr().out
    assert orchestrator.status("mine", storage=storage).state == "finished"
    again = orchestrator.resume("mine", storage=storage, observers=[])
    assert again.results.equals(found.results)


def test_bad_input_is_raised_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="did you mean finetune"):
        orchestrator.sweep(task="digits-class:1", unlearners="finetun", storage=tmp_path)
    with pytest.raises(TypeError, match="trails"):
        orchestrator.sweep(trails=3)
    with pytest.raises(InvalidValue, match="no sweep 'nobody'"):
        orchestrator.resume("nobody", storage=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_single_trial_gives_a_dict_a_point(storage: Path) -> None:
    points = orchestrator.run_trial(
        "digits-class:1", "finetune", {"epochs": 2, "lr": 0.01}, storage=storage
    )
    assert [point["epoch"] for point in points] == [1, 2]
    assert points[0]["relative_cost"] * 2 == pytest.approx(points[1]["relative_cost"])


def test_the_front_of_an_empty_table_is_empty() -> None:
    empty: pa.Table = read_results("/nowhere")
    assert len(orchestrator.front(empty)) == 0


@pytest.mark.slow  # four sweeps
def test_the_examples_of_the_documentation_run(tmp_path: Path) -> None:
    """One after another in one script, as a reader would."""
    text = (ROOT / "docs" / "api.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 5
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(examples)],
        cwd=tmp_path,
        env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy of the original: 0.9" in done.stdout
