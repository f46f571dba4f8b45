"""What every test needs: a way to run the real program, and one storage root with trained models."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from program import ENVIRONMENT, ROOT, command

Orchestrate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def orchestrate() -> Orchestrate:
    """Run `python -m orchestrator ARGUMENTS` to its end, with more environment variables."""

    def run(
        *arguments: str | Path, timeout: float = 600, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=ROOT,
            env=ENVIRONMENT | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, orchestrate: Orchestrate) -> Path:
    """A storage root with one finished sweep on the digits, called `first`."""
    storage = tmp_path_factory.mktemp("storage")
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--name", "first", "--storage", storage,
        "--unlearners", "finetune,finetune-l1,gradient-ascent,ssd", "--trials", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (storage / "first.log").write_text(done.stdout)
    return storage


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Path:
    """A fresh storage root whose models are trained already."""
    shutil.copytree(trained / "artifacts", tmp_path / "storage" / "artifacts")
    return tmp_path / "storage"
