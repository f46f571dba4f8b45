"""Stored sweeps from Python: which there are, how two compare, and what becomes of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.results.comparison.fronts import Comparison
    from orchestrator.sweeps.status import SweepStatus
    from orchestrator.sweeps.stored.catalogue import StoredSweep
    from orchestrator.sweeps.stored.removal import Removal
    from orchestrator.sweeps.stored.renaming import Renaming


def status(name: str | None = None, *, storage: str | Path = "./results") -> SweepStatus:
    """Return how far a sweep is, by default the latest; another process may be running it. Raises InvalidValue."""
    from orchestrator.sweeps.status import read_status
    from orchestrator.sweeps.stored.catalogue import find_latest

    return read_status(name or find_latest(str(storage))[0], str(storage))


def list_sweeps(*, storage: str | Path = "./results") -> list[StoredSweep]:
    """Return all sweeps of a storage root, the latest last: state, counts, best values, when."""
    from orchestrator.sweeps.stored import catalogue

    return catalogue.list_sweeps(str(storage))


def compare(first: str, second: str, *, storage: str | Path = "./results") -> Comparison:
    """Compare the fronts of two sweeps of one task; raises InvalidValue for sweeps of two tasks.

    The result has `differs`, `difference`, `noise`, and a `verdict` in words; in a notebook it shows itself
    as a picture.
    """
    from orchestrator.sweeps.stored.compared import compare_sweeps

    return compare_sweeps(first, second, str(storage))


def delete(name: str, *, models: bool = False, storage: str | Path = "./results") -> Removal:
    """Delete a sweep with its rows and the sweeps that confirm it, without asking; returns what went.

    With `models` its trained models go too, but for those that rows of another sweep name. Raises
    InvalidValue for an unknown sweep and for one that runs.
    """
    from orchestrator.sweeps.stored.removal import plan_removal

    removal = plan_removal(name, str(storage), models=models)
    removal.carry_out()
    return removal


def rename(old: str, new: str, *, storage: str | Path = "./results") -> Renaming:
    """Give a sweep another name, also in its rows and in the sweeps that confirm it; returns what was renamed.

    Raises InvalidValue for an unknown sweep, a name that is taken, and a sweep that runs.
    """
    from orchestrator.sweeps.stored.renaming import plan_renaming

    renaming = plan_renaming(old, new, str(storage))
    renaming.carry_out()
    return renaming
