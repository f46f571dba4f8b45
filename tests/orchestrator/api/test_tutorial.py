"""docs/own-data.md, followed to the letter in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from program import ENVIRONMENT, ROOT, rows_of

TUTORIAL = (ROOT / "docs" / "own-data.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of the tutorial in a language."""
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)


@pytest.mark.slow  # two sweeps
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (script,), commands = blocks("python"), [c.strip() for c in blocks("sh")]
    (tmp_path / "shapes.py").write_text(script)
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    said = {}
    assert len(commands) == 3
    for line in commands:
        words = line.split()
        assert words[0] == "python"
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said[words[3] if "-m" in words else words[1]] = done.stdout
    rows = rows_of(tmp_path / "results", "shapes")
    assert {row["task"] for row in rows} == {"folder-class:circle"}
    assert {row["unlearner"] for row in rows if row["role"] == "trial"} == {"finetune", "ssd"}
    original = next(row for row in rows if row["role"] == "original")
    assert original["forget_accuracy"] > 0.8, "the circles were not learned in the first place"
    assert "a seeded quarter of each class held out (60 images)" in said["sweep"]
    assert "loader resident: 180 images" in said["run"]
    # The command that the sweep recommends reads the data as the sweep did.
    (again,) = [line for line in said["sweep"].splitlines() if "run it again:" in line]
    assert f"--data-dir {tmp_path / 'shapes'} --image-size 16" in again


def test_the_tables_name_every_data_set() -> None:
    from tasks.datasets import DATASETS

    for name in DATASETS:
        assert f"`{name}-" in TUTORIAL, name
