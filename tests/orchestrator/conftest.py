"""A storage root with rows of made-up trials."""

from __future__ import annotations

import pytest
from store_rows import trial

from orchestrator.results.store import write_rows


@pytest.fixture
def three(root: str) -> str:
    """A storage root, in a folder and in a bucket, with three trials of one sweep, one of another."""
    for number, trial_id in enumerate(("a-0", "a-1", "b-0")):
        write_rows(root, "s", f"key{number}", trial(trial_id, epochs=number + 1))
    write_rows(root, "other", "key9", trial("a-0", sweep="other"))
    return root
