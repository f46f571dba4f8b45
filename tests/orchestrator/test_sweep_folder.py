"""A sweep's name: found free by those that start together, and held by one driver."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.config import SweepConfig
from orchestrator.reporting.terminal import View
from orchestrator.sweeps.folder import named, store_once
from tasks.errors import InvalidValue

QUIET = View(Console(quiet=True))


def test_sweeps_without_a_name_that_start_together_find_one_each(tmp_path: Path):
    config = SweepConfig(task="digits-class:1", storage=str(tmp_path))
    together = threading.Barrier(6, timeout=60)

    def started() -> str | None:
        together.wait()
        with named(config, QUIET) as (own, folder):
            store_once(own, folder)
            together.wait()
            return own.name

    with ThreadPoolExecutor(6) as pool:
        names = [name.result() for name in [pool.submit(started) for _ in range(6)]]
    assert sorted(names) == [f"digits-class-1-pareto-{n}" for n in range(1, 7)]


def test_a_name_that_was_given_is_not_changed(tmp_path: Path):
    config = SweepConfig(task="digits-class:1", name="mine", storage=str(tmp_path))
    with (
        named(config, QUIET),
        pytest.raises(InvalidValue, match="another process"),
        named(config, QUIET),
    ):
        pass
