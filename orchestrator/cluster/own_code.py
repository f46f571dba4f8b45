"""The program itself, as it is sent along to the nodes of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def our_code() -> dict[str, Any]:
    """Send this program along, so that the nodes need its dependencies but no copy of it."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").exists():  # installed: beside it lies all of site-packages
        return {"py_modules": [str(root / package) for package in ("orchestrator", "tasks")]}
    # As in .gitignore: without the stroke, a folder of that name anywhere, such as orchestrator/results.
    excludes = ["/results", "/data", "/.git", "/.venv", "*.beton", "*.parquet"]
    return {"working_dir": str(root), "excludes": excludes}
