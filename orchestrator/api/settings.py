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
    for name, kind in {"storage": str, "data_dir": Path, "original": Path}.items():
        if plain.get(name) is not None:
            plain[name] = kind(plain[name])
    return plain
