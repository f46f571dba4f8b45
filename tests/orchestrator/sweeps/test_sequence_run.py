"""docs/sequences.md, followed to the letter: a sequence of three requests, its matrix, and its picture."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from program import ENVIRONMENT, ROOT

from orchestrator.results.columns import COSTS, SEQUENCE
from orchestrator.results.sequences.files import list_sequences, read_sequence
from tasks.evaluation import list_in_rows

PAGE = (ROOT / "docs" / "sequences.md").read_text()


@pytest.mark.slow  # test_sequence_trial.py runs a sequence too
def test_the_page_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    said = []
    for line in block.splitlines():
        python, *words = shlex.split(line)
        assert python == "python"
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout)
    ran, drawn = said
    for number, request in enumerate(("class:1", "class:7", "random:0.05"), 1):
        assert f"request {number} of 3, {request}: forget set: " in ran
        assert f"after request {number}, {request} (epoch " in ran
    assert "after all requests, together (epoch " in ran
    assert ran.count("\n    test_accuracy_retained = ") == 4
    (name,) = list_sequences(str(tmp_path / "results"))
    stored = read_sequence(str(tmp_path / "results"), name)
    wanted = [*(c.name for c in SEQUENCE), "epoch", *list_in_rows(), *(c.name for c in COSTS)]
    assert [list(row) for row in stored.rows] == 3 * [wanted]
    assert [row["step"] for row in stored.rows] == [1, 2, 3]
    matrix = stored.matrix
    assert matrix.model.shape == (4, 5)
    assert matrix.references.shape == (4, 2, 5)
    reversal = matrix.reversal()
    assert reversal is not None
    assert reversal.unlearned > 0 == reversal.references, "nothing came back: the page says so"
    assert stored.rows[-1]["relative_cost"] == pytest.approx(matrix.relative_cost)
    assert "reversal" in ran
    assert "1 class:1" in drawn
    assert (
        tmp_path / "results" / "figures" / f"forgetting_matrix-{name}.png"
    ).stat().st_size > 10_000
