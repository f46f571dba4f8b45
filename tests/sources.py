"""The source files of the packages, and what their syntax trees say: whom a file imports, and what it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from program import ROOT

PACKAGES = ("tasks", "orchestrator", "analysis")
FILES = [f for package in PACKAGES for f in sorted((ROOT / package).rglob("*.py"))]
SHARED_BY_METHODS = ("base", "declaration", "descent", "forget_alone", "passes", "verified")
"""Modules of `tasks/unlearners` that are no method."""


def name_of(file: Path) -> str:
    """Return a file's path in the repository: the test's id."""
    return file.relative_to(ROOT).as_posix()


def name_as_module(file: Path) -> str:
    """Return the dotted name under which a file is imported."""
    return name_of(file).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def inside(*folders: str) -> list[Path]:
    """List the files below any of the folders."""
    return [f for f in FILES if any((ROOT / folder) in f.parents for folder in folders)]


def imports(file: Path) -> Iterator[str]:
    """List every module that a file imports anywhere, also inside functions; `from a import b` is a.b."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(imported: str) -> str:
    """Find the module in an imported dotted name: a.b.C is a.b, for a name C that is no module."""
    parts = imported.split(".")
    while parts:
        path = ROOT.joinpath(*parts)
        if path.is_dir() or path.with_suffix(".py").is_file():
            return ".".join(parts)
        parts.pop()
    return imported


def ours(file: Path) -> set[str]:
    """Find the modules of this repository that a file imports."""
    top = {f"{package}." for package in (*PACKAGES, "tests", "benchmarks")}
    return {module_of(m) for m in imports(file) if any(f"{m}.".startswith(t) for t in top)}


def uses(file: Path, *roots: str) -> set[str]:
    """Tell which of these top-level packages a file imports."""
    return {m.partition(".")[0] for m in imports(file)} & set(roots)


def calls(file: Path) -> Iterator[str]:
    """List the dotted names that a file calls, such as torch.manual_seed."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
