"""The digest of a stored configuration, and the configuration held against the rows of its sweep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.config import SweepConfig
from tasks.errors import InvalidValue

DIGEST = "sha256"
"""Key of the digest of all other entries. Configurations of before 0.2.0 have none."""
COMPARED = {"task": "task", "model": "model", "task_seed": "seed"}
"""Columns of a row, and the settings that they must equal."""


def seal_settings(text: str) -> bytes:
    """Return the settings, a JSON object as text, with their digest."""
    settings = json.loads(text)
    return json.dumps({**settings, DIGEST: _digest(settings)}, indent=1).encode()


def replace_settings(stored: bytes, **changes: Any) -> bytes:
    """Return stored settings with some of them changed, and with their new digest.

    All others stay, also those of a newer version. Raises ValueError as `check_settings` does.
    """
    settings = json.loads(check_settings(stored.decode()))
    settings.pop(DIGEST, None)
    return seal_settings(json.dumps({**settings, **changes}))


def check_settings(text: str) -> str:
    """Return the text of stored settings; raise ValueError if they are not those that were stored."""
    stored = json.loads(text)
    if isinstance(stored, dict) and DIGEST in stored:
        digest = stored.pop(DIGEST)
        if digest != _digest(stored):
            raise ValueError("its checksum is another: a damaged disk, or a change by hand")
    return text


def check_own_rows(config: SweepConfig, rows: Iterable[Mapping[str, Any]]) -> None:
    """Raise InvalidValue if rows of the sweep are of another task, model or seed than its configuration.

    A configuration that was changed by hand would mix two tasks in one sweep.
    """
    for row in rows:
        for column, setting in COMPARED.items():
            wanted, found = getattr(config, setting), row.get(column)
            if found is not None and wanted not in (None, "auto", found):
                raise InvalidValue(
                    f"sweep {config.name!r} has {setting} {wanted!r} in its config.json, and {found!r} in the rows of "
                    f"{row['trial_id']}: restore the configuration, or choose another --name"
                )


def _digest(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
