"""The process that runs a trial: how many threads it has, and since when it is there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from program import rows_of

WITNESS = """
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
import psutil
from tasks.search_space import Float
from tasks.unlearners.base import Unlearner

@dataclass(frozen=True)
class Witness(Unlearner):
    strength: Annotated[float, Float(0.0, 1.0)] = 0.5
    def unlearn(self, model, retain, forget, rng):
        Path(os.environ["TESTIMONY"]).write_text(str(psutil.Process().create_time()))
        yield
"""


@pytest.mark.slow  # with two threads the models are others, and are trained anew
def test_a_worker_has_its_trials_cpus_and_was_there_before_the_models_were_measured(
    storage: Path, tmp_path: Path, orchestrate
) -> None:
    (tmp_path / "witness.py").write_text(WITNESS)
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--unlearners", "witness:Witness", "--trials", "1",
        "--storage", storage, "--cpus-per-trial", "2", "--name", "two",
        PYTHONPATH=str(tmp_path), TESTIMONY=str(tmp_path / "testimony"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["role"]: row for row in rows_of(storage, "two")}
    assert rows["trial"]["threads"] == 2
    began = datetime.fromtimestamp(float((tmp_path / "testimony").read_text()), UTC)
    assert began < rows["original"]["finished_at"] < rows["retrained"]["finished_at"]
