"""Calls of our code on a cluster, and the errors that such a call raises in this process."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from orchestrator.cluster.connection import connect_ray, read_first_line
from tasks.errors import InputError, NodeLost, SurroundingsError, WorkerLost

T = TypeVar("T")


def run_on_cluster(address: str, work: Callable[..., T], *arguments: Any) -> T:
    """Call the function `work` on the cluster at a ray:// address, and return its result.

    The whole driver runs there, because Tune's loop has to be near its workers. The call ends when
    this process ends. Its output appears here. Raises the errors about bad input.
    """
    with connect_ray(address):
        import ray

        task: Any = ray.remote(num_cpus=0, max_retries=0)(work)
        return cast(T, fetch_result(task.remote(*arguments)))


def fetch_result(reference: Any) -> Any:
    """Return the result of a task; raise errors about input or storage as the task raised them.

    Raises WorkerLost if the task's process died, NodeLost if the process died with its node. Other
    errors of the operating system are a WorkerLost too: on another node, or later, the task may
    succeed.
    """
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, InputError | SurroundingsError):
            raise cause from error
        if isinstance(cause, OSError):
            failed = f"{type(cause).__name__}: {cause}, at {_deepest(str(error))}"
            lost = WorkerLost(f"a process of the cluster failed ({failed})")
            lost.__notes__ = getattr(cause, "__notes__", [])
            raise lost from error
        raise
    except ray.exceptions.NodeDiedError as error:
        raise NodeLost(f"a node of the cluster was lost ({read_first_line(error)})") from error
    except ray.exceptions.RayError as error:
        raise WorkerLost(f"a process of the cluster died ({read_first_line(error)})") from error


def _deepest(trace: str) -> str:
    """Return the file and line that raised an exception, from the text of its traceback."""
    found = re.findall(r'File "([^"]+)", line (\d+)', trace)
    return ":".join(found[-1]) if found else "an unknown place"
