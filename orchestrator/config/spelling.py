"""Settings of a sweep as the flags that give them."""

from __future__ import annotations

from typing import Any

from orchestrator.config.sweep import SweepConfig, list_flags


def spell_flags(config: SweepConfig) -> list[str]:
    """Return the flags of `sweep` that give these settings: those that differ from the defaults."""
    defaults = SweepConfig()
    words: list[str] = []
    for flag in list_flags(SweepConfig):
        name = flag.replace("-", "_")
        value = getattr(config, name)
        if value != getattr(defaults, name):
            words += _spell_flag(flag, value)
    return words


def _spell_flag(flag: str, value: Any) -> tuple[str, ...]:
    """Spell a setting as the command line reads it; a switch has no value."""
    if value is True:
        return (f"--{flag}",)
    return (f"--{flag}", *value) if isinstance(value, tuple) else (f"--{flag}", str(value))
