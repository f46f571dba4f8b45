"""The source of this program, in the form in which Ray sends it to the nodes of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def package_code() -> dict[str, Any]:
    """Return the runtime environment with which Ray sends this program to the nodes.

    The nodes then need the dependencies, but no copy of the program. Whatever else lies beside the packages is
    not sent: trained models are large, and a file such as .env is nobody's business.
    """
    root = Path(__file__).resolve().parents[2]
    packages = [str(root / package) for package in ("orchestrator", "tasks")]
    return {"py_modules": packages, "excludes": ["__pycache__"]}
