"""Settings as people write them in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def convert_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the types that SweepConfig declares, where people write others."""
    plain = dict(settings)
    unlearners: str | Iterable[str] | None = plain.get("unlearners")
    if unlearners is not None:
        names = unlearners.split(",") if isinstance(unlearners, str) else unlearners
        plain["unlearners"] = tuple(name.strip() for name in names)
    if plain.get("set") is not None:
        plain["set"] = _spell_assignments(plain["set"])
    if plain.get("require") is not None:
        limits = plain["require"]
        plain["require"] = (limits,) if isinstance(limits, str) else tuple(limits)
    for name, kind in {"storage": str, "data_dir": Path, "original": Path}.items():
        if plain.get(name) is not None:
            plain[name] = kind(plain[name])
    return plain


def _spell_assignments(given: str | Iterable[str] | Mapping[str, Any]) -> tuple[str, ...]:
    """Spell what fixes or narrows hyper-parameters as the command line does.

    A mapping gives each a value, the text of a range as in "1e-3..1e-2", or several choices.
    """
    if isinstance(given, Mapping):
        return tuple(f"{name}={_spell_values(values)}" for name, values in given.items())
    return (given,) if isinstance(given, str) else tuple(given)


def _spell_values(values: Any) -> str:
    if isinstance(values, Iterable) and not isinstance(values, str):
        return ",".join(map(str, values))
    return str(values)
