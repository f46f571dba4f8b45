"""Calling our code on a cluster, and what is raised here of what goes wrong there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from orchestrator.cluster.connection import connected, first_line
from tasks.errors import InputError, NodeLost, SurroundingsError, UnfitNode, WorkerLost

T = TypeVar("T")


def on_the_cluster(address: str, work: Callable[..., T], *arguments: Any) -> T:
    """Call the function `work` on the cluster at a ray:// address and return what it returns.

    Tune's loop has to be near its workers, and to outlive nothing: without this process it ends.
    What it prints appears here. Raises what was wrong with the input.
    """
    with connected(address):
        import ray

        task: Any = ray.remote(num_cpus=0, max_retries=0)(work)
        return cast(T, got(task.remote(*arguments)))


def got(reference: Any) -> Any:
    """What a task returned; raises what was wrong with input or storage, as it was raised there.

    Raises WorkerLost if its process died, NodeLost if it did so with its node, and WorkerLost, too,
    for what else the operating system refused it: on another node, or later, that may be otherwise.
    """
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        # A node that is unfit is left like one that is lost: another may be fit.
        if isinstance(cause, InputError | SurroundingsError) and not isinstance(cause, UnfitNode):
            raise cause from error
        if isinstance(cause, OSError):
            failed = f"{type(cause).__name__}: {cause}, at {_deepest(str(error))}"
            lost = WorkerLost(f"a process of the cluster failed ({failed})")
            lost.__notes__ = getattr(cause, "__notes__", [])
            raise lost from error
        raise
    except ray.exceptions.NodeDiedError as error:
        raise NodeLost(f"a node of the cluster was lost ({first_line(error)})") from error
    except ray.exceptions.RayError as error:
        raise WorkerLost(f"a process of the cluster died ({first_line(error)})") from error


def _deepest(trace: str) -> str:
    """Where an exception of another process was raised, from the text of its traceback."""
    found = re.findall(r'File "([^"]+)", line (\d+)', trace)
    return ":".join(found[-1]) if found else "a place unknown"
