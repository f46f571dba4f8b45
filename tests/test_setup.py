"""What `make setup` says before it installs anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def set_up(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up of a fresh copy of the project, without its packages."""
    shutil.copytree(ROOT / "setup", folder / "setup")
    for lock in ROOT.glob("requirements*.lock"):
        shutil.copy(lock, folder)
    return subprocess.run(
        ["bash", str(folder / "setup" / "install.sh")],
        env={**os.environ, "NO_APT": "1", "FFCV": "no", **variables},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def old_python(tmp_path: Path) -> str:
    """A Python 3.10, as far as the set-up asks."""
    program = tmp_path / "bin" / "python3.10"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ncase "$2" in *exit*) exit 1 ;; *) echo 3.10.13 ;; esac\n')
    program.chmod(0o755)
    return str(program)


def test_a_python_that_is_too_old_is_named_with_its_version(tmp_path, old_python):
    done = set_up(tmp_path, PYTHON=old_python)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert f"{old_python} is Python 3.10.13" in line
    assert "3.11 or newer" in line
    assert "not found" not in line


def test_a_python_that_is_not_there_is_named(tmp_path):
    done = set_up(tmp_path, PYTHON="no-such-python")
    assert done.returncode == 1
    assert "no-such-python was not found" in done.stderr.splitlines()[-1]
