"""The provenance of a row: versions of packages, version of the code, machine."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "scikit-learn", "ray", "optuna", "ffcv", "pyarrow")


@functools.cache
def read_versions() -> str:
    """Return the versions of Python and of the installed packages that matter, as JSON."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return json.dumps(found)


@functools.cache
def code_version() -> str:
    """Return twelve hex digits over the source of this package: equal in a checkout and installed."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def source_version(*files: str) -> str:
    """Return sixteen hex digits over Python source files, without comments, docstrings and layout."""
    digest = hashlib.sha256()
    for file in files:
        tree = ast.parse(Path(file).read_text())
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
        digest.update(ast.unparse(tree).encode() + b"\0")
    return digest.hexdigest()[:16]


def _is_text(statement: ast.AST) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def read_host() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


def files_of(cls: type, base: type) -> list[str]:
    """Find the files of a subclass of `base` and of what it inherits from, but for those of `base`."""
    families = (c for c in cls.__mro__ if issubclass(c, base) and c is not base)
    return sorted({inspect.getfile(c) for c in families})


def content_key(**parts: Any) -> str:
    """Sixteen hex digits of the SHA-256 of `parts`, which must be plain JSON values."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
