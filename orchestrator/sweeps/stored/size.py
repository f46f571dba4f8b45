"""How large a stored sweep is, and what a resume may ask for beyond that."""

from __future__ import annotations

from typing import Any

from orchestrator.config import SweepConfig

SIZE = "trials", "budget", "granted_at", "budgets"
"""The settings that say how large a sweep is: a resume may ask for more."""


def adopt_size(config: SweepConfig, before: SweepConfig) -> dict[str, Any]:
    """Return what says how large the sweep is: as stored where it is not given, unless a resume asks for more."""
    given = {name: getattr(config, name) for name in SIZE}
    if config.more_trials:
        return given
    stored = {name: getattr(before, name) for name in SIZE}
    merged = {name: stored[name] if value is None else value for name, value in given.items()}
    return merged


def list_more(filled: SweepConfig, before: SweepConfig) -> list[str]:
    """List the flags of `resume` that give a stored sweep what is asked for beyond what it has."""
    flags = []
    if (filled.trials or 1) > (before.trials or 1):
        flags += ["--trials", str(filled.trials)]
    if filled.budget is not None and filled.budget != before.budget:
        flags += ["--budget", filled.budget]
    return flags
