"""Settings as people write them in Python and in files, and as JSON holds them, made to what SweepConfig declares."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.search.narrowing import spell_assignments

LARGEST = 2**63
"""Numbers of stored settings are below this."""
PATHS = ("data_dir", "original")
NAMES = tuple[str, ...]


def convert_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the types that SweepConfig declares, where people write others."""
    plain = {name: value for name, value in settings.items() if value is not None}
    for name in ("unlearners", "code"):
        if name in plain:
            names: str | Iterable[str] = plain[name]
            parts = names.split(",") if isinstance(names, str) else names
            plain[name] = tuple(part.strip() for part in parts)
    if "set" in plain:
        plain["set"] = spell_assignments(plain["set"])
    for name in ("require", "log"):
        if name in plain:
            texts = plain[name]
            plain[name] = (texts,) if isinstance(texts, str) else tuple(texts)
    if "budget" in plain:
        plain["budget"] = str(plain["budget"])
    for name, kind in ({"storage": str} | dict.fromkeys(PATHS, Path)).items():
        if name in plain:
            plain[name] = kind(plain[name])
    return {**settings, **plain}


def convert_stored(values: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings from JSON with the declared `types`; raises TypeError. Unknown names are ignored."""
    known = {name: value for name, value in values.items() if name in types}
    for name, value in known.items():
        if types[name] == NAMES and isinstance(value, list | None):
            known[name] = tuple(value or ())
        if name in PATHS and value is not None:
            known[name] = Path(value)
    return check_types(known, types)


def check_types(values: dict[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings themselves; raises TypeError for one of another type than it declares."""
    for name, value in values.items():
        if not _is_of_type(value, types[name]):
            raise TypeError(f"{name} is {value!r}")
    return values


def _is_of_type(value: Any, declared: Any) -> bool:
    if declared == NAMES:
        return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    accepted = tuple(typing.get_origin(t) or t for t in typing.get_args(declared) or (declared,))
    if isinstance(value, int | float) and not abs(value) < LARGEST:  # nor is NaN
        return False
    return isinstance(value, accepted) or (float in accepted and isinstance(value, int))
