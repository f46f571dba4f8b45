"""What it takes to run a row again: versions, code, machine."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "numpy", "scikit-learn", "ray", "optuna", "ffcv", "pyarrow")


@functools.cache
def versions() -> str:
    """Versions of Python and of the installed packages that matter, as JSON."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return json.dumps(found)


@functools.cache
def code_version() -> str:
    """Twelve hex digits over the source of this package: the same in a checkout and installed."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def host() -> str:
    """The machine's name."""
    return socket.gethostname()
