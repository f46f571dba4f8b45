"""Where data sets are looked for."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import InvalidValue

DEFAULT_DATA_DIR = Path("data")
"""Where data sets are looked for, and downloaded to, if no folder is given."""


def check_data_dir(data_dir: Path | None) -> None:
    """Raises InvalidValue for a folder that was given and is not there: it may be mistyped."""
    if data_dir is not None and not data_dir.is_dir():
        raise InvalidValue(
            f"--data-dir {data_dir}: there is no such folder (one to download into must exist)"
        )
