"""The folders of data sets."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.errors import InvalidValue

DEFAULT_DATA_DIR = Path("data")
"""Folder of data sets and downloads, if no folder is given."""


def hub_cache() -> Path:
    """Return the folder where Hugging Face's clients keep what they download, whether it exists or not."""
    if "HF_HUB_CACHE" in os.environ:
        return Path(os.environ["HF_HUB_CACHE"])
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or caches / "huggingface") / "hub"


def check_data_dir(data_dir: Path | None) -> None:
    """Raise InvalidValue if a given folder does not exist: its name may be mistyped."""
    if data_dir is not None and not data_dir.is_dir():
        raise InvalidValue(
            f"--data-dir {data_dir}: there is no such folder (one to download into must exist)"
        )
