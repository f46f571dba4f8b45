"""Storage roots with rows: made-up trials, a sweep that a report tells of, and a real one that has ended."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reported import store_sweep
from store_rows import trial

from orchestrator.results.store import write_rows


@pytest.fixture
def three(root: str) -> str:
    """A storage root, in a folder and in a bucket, with three trials of one sweep, one of another."""
    for number, trial_id in enumerate(("a-0", "a-1", "b-0")):
        write_rows(root, "s", f"key{number}", trial(trial_id, epochs=number + 1))
    write_rows(root, "other", "key9", trial("a-0", sweep="other"))
    return root


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A storage root with a made-up sweep `s`, of which three fresh seeds are known."""
    return store_sweep(tmp_path / "storage", "s", confirmed=True)


@pytest.fixture
def ended(trained: Path, tmp_path: Path) -> Path:
    """A storage root with a sweep that has ended, called `first`: no Ray is needed to resume it."""
    return Path(shutil.copytree(trained, tmp_path / "ended"))
