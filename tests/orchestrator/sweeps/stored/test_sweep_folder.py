"""A sweep's name: found free by those that start together, and held by one driver."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.config import SweepConfig
from orchestrator.sweeps.folder import hold_named_sweep, store_config
from tasks.errors import InvalidValue


def quiet(text: str) -> None:
    pass


def test_sweeps_without_a_name_that_start_together_find_one_each(tmp_path: Path):
    config = SweepConfig(task="digits-class:1", storage=str(tmp_path))
    together = threading.Barrier(6, timeout=60)

    def started() -> str:
        together.wait()
        with hold_named_sweep(config, quiet) as (name, folder):
            store_config(dataclasses.replace(config, name=name), folder)
            together.wait()
            return name

    with ThreadPoolExecutor(6) as pool:
        names = [name.result() for name in [pool.submit(started) for _ in range(6)]]
    assert sorted(names) == [f"digits-class-1-pareto-{n}" for n in range(1, 7)]


def test_a_name_that_was_given_is_not_changed(tmp_path: Path):
    config = SweepConfig(task="digits-class:1", name="mine", storage=str(tmp_path))
    with (
        hold_named_sweep(config, quiet),
        pytest.raises(InvalidValue, match="another process"),
        hold_named_sweep(config, quiet),
    ):
        pass
