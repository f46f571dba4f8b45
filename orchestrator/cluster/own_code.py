"""The source of this program, in the form in which Ray sends it to the nodes of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def package_code() -> dict[str, Any]:
    """Return the runtime environment with which Ray sends this program to the nodes.

    The nodes then need the dependencies, but no copy of the program.
    """
    root = Path(__file__).resolve().parents[2]
    if not (
        root / "pyproject.toml"
    ).exists():  # installed: the folder is site-packages, with all packages
        return {"py_modules": [str(root / package) for package in ("orchestrator", "tasks")]}
    # As in .gitignore: without the stroke, a folder of that name anywhere, such as orchestrator/results.
    excludes = ["/results", "/data", "/.git", "/.venv", "*.beton", "*.parquet"]
    return {"working_dir": str(root), "excludes": excludes}
