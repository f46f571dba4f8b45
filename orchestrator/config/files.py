"""Settings of a sweep in a file: TOML, or the config.json that a sweep has stored."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.search.narrowing import spell_assignments
from tasks.errors import InvalidValue
from tasks.registry import list_code, one_of

STORED = "budgets"
"""A setting that every stored configuration has, and no other file."""
LEFT_OUT = (
    "name",
    "original_hash",
    "budgets",
    "granted_at",
    "warm_points",
    "left_out",
    "given",
    "sha256",
    "confirms",
    "points",
)
"""What a stored configuration says of its own sweep alone: another sweep has its own."""


def read_settings(path: str | Path, known: Sequence[str]) -> dict[str, Any]:
    """Return the settings in a file by name, as on the command line but for the hyphens before them.

    `known` are the names that there are. Raises InvalidValue: for a file that cannot be read, for an unknown name,
    which lists the known ones, and for the configuration of a sweep that confirms another.
    """
    values = _read_file(Path(path))
    if STORED in values:
        if values.get("confirms"):
            raise InvalidValue(
                f"--config {path} is of a sweep that confirms {values['confirms']}: run "
                f"`orchestrator confirm {values['confirms']}`"
            )
        values = {name: value for name, value in values.items() if name not in LEFT_OUT}
        if code := list_code(values):
            raise InvalidValue(
                f"--config {path} names code that is not this program's: {', '.join(code)}. A store imports nothing; "
                "if you trust that code, write the settings into a TOML file"
            )
    given = {name.replace("_", "-"): value for name, value in values.items() if value is not None}
    for name in given:
        one_of(f"setting in {path}", name, known)
    if "set" in given:
        given["set"] = list(spell_assignments(given["set"]))
    return given


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes().decode()
        values = json.loads(content) if path.suffix == ".json" else tomllib.loads(content)
    except OSError as error:
        raise InvalidValue(f"--config {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # what neither UTF-8, nor JSON or TOML is
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise InvalidValue(f"--config {path} is no {kind}: {error}") from error
    if not isinstance(values, dict):
        raise InvalidValue(f"--config {path} is no JSON object")
    return values
