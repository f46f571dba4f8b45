"""Settings of a sweep as the flags that give them."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from cyclopts import Parameter

from orchestrator.config.sweep import SweepConfig


def spell_flags(config: SweepConfig) -> list[str]:
    """Return the flags of `sweep` that give these settings: those that differ from the defaults."""
    given = {
        f.name: getattr(config, f.name)
        for f in dataclasses.fields(SweepConfig)
        if f.name in _list_flags() and getattr(config, f.name) != f.default
    }
    return [part for name, value in given.items() for part in _spell_flag(name, value)]


def _list_flags() -> set[str]:
    """Return the names of the settings that are flags; what a sweep decided by itself is none."""
    hints = typing.get_type_hints(SweepConfig, include_extras=True)
    return {
        name
        for name, hint in hints.items()
        if not any(
            isinstance(extra, Parameter) and extra.parse is False
            for extra in getattr(hint, "__metadata__", ())
        )
    }


def _spell_flag(name: str, value: Any) -> tuple[str, ...]:
    """Spell a setting as the command line reads it; a switch has no value."""
    flag = f"--{name.replace('_', '-')}"
    if value is True:
        return (flag,)
    return flag, ",".join(value) if isinstance(value, tuple) else str(value)
