"""What went wrong in a worker, in one line; and whether it is the node that is to blame."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import InputError, StorageError, StorageFault, UnfitNode
from tasks.provenance import host


@contextmanager
def blamed_on_node() -> Iterator[None]:
    """What is wrong with this node in the block, as an UnfitNode; a fault of the storage stays one."""
    try:
        yield
    except (StorageFault, StorageError):
        raise
    except (OSError, InputError) as problem:
        raise UnfitNode(here(problem)) from problem


def here(problem: Exception) -> str:
    """What an error of the environment says, and on which node."""
    # The operating system does not always name the file.
    named = getattr(problem, "filename", None) or not isinstance(problem, OSError)
    return f"{problem if named else placed(problem)} (on {host()})"


def placed(error: Exception) -> str:
    """One line for the table: the exception, and where it was raised."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text} ({Path(where.filename).name}:{where.lineno})"
