"""Errors of a worker in one line, and the errors that are faults of its node."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import InputError, StorageError, StorageFault, UnfitNode, UnusableChoice
from tasks.provenance import read_host


@contextmanager
def blame_node() -> Iterator[None]:
    """Raise UnfitNode for an error of this node in the block.

    A fault of the storage is left unchanged, and so is a choice that no other node would make better.
    """
    try:
        yield
    except (StorageFault, StorageError, UnusableChoice):
        raise
    except (OSError, InputError) as problem:
        raise UnfitNode(describe_fault(problem)) from problem


def describe_fault(problem: Exception) -> str:
    """Return the message of an error of the environment, with the name of the node."""
    # The operating system does not always name the file.
    named = getattr(problem, "filename", None) or not isinstance(problem, OSError)
    return f"{problem if named else describe_error(problem)} (on {read_host()})"


def describe_error(error: Exception) -> str:
    """Return one line for the results table: the exception, and the file and line that raised it."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text} ({Path(where.filename).name}:{where.lineno})"
