"""Connecting to Ray: a private local cluster, one that runs here already, or a remote one."""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.datasets.sources import DatasetNotFound
from tasks.search_space import InvalidValue
from tasks.storage import StorageFault

ENVIRONMENT = {
    # Loggers write CSV, JSON and TensorBoard files per trial: a tenth of a second each.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C is ours to handle: nothing of Tune's own state is needed to go on.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A trial's working directory stays the driver's: a relative path means the same everywhere.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Trials measure seconds: Ray's usual niceness of 15 would let any other program disturb them.
    "RAY_worker_niceness": "0",
    # Idle OpenMP threads sleep instead of spinning on cores that other trials need.
    "OMP_WAIT_POLICY": "PASSIVE",
}
PRELOADED = ("torch", "scipy.optimize", "ray.tune")
"""What takes the first seconds of every worker."""
COLD: Mapping[str, str] = {}
DEFAULT_GPU_SHARE = 0.25
LOCAL = "local"
"""The address of a cluster of this driver's own, on this machine."""
REMOTE = "ray://"
"""Addresses of clusters that this machine is no part of."""
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets it for the command of a job, whose code is on every node already."""


class WorkerLost(OSError):
    """A process of the cluster died before it was done: killed, out of memory, or its node is gone."""


class NodeLost(WorkerLost):
    """It died with its node, which is no fault of its own."""


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of each node of the cluster."""

    nodes: tuple[tuple[int, int], ...]

    @property
    def gpus(self) -> int:
        """GPUs of the whole cluster."""
        return sum(gpus for _, gpus in self.nodes)

    @property
    def cpus_of_a_node(self) -> int:
        """The most CPUs that a single process can have."""
        return max((cpus for cpus, _ in self.nodes), default=1)

    def slots(self, cpus: int, gpus: float) -> int:
        """How many trials of that size run at a time: each within one node, a share within one GPU."""
        return sum(min(n // cpus, _shares(g, gpus)) if gpus else n // cpus for n, g in self.nodes)


def this_machine() -> Resources:
    """About what a private cluster will have, for what must be said before Ray starts and counts."""
    gpus = sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))
    return Resources(((os.cpu_count() or 1, gpus),))


def warm(slots: int, cpus_per_trial: int) -> dict[str, str]:
    """Environment in which the first processes of a private cluster import while it still starts.

    They are one for each of `slots` trials at a time, and the one that prepares the two models.
    """
    return {
        "RAY_preload_python_modules": ",".join(PRELOADED),
        "RAY_worker_maximum_startup_concurrency": str(slots + 1),
        # While one process prepares the models on all CPUs, Ray would end those that wait.
        "RAY_num_workers_soft_limit": str(slots + 1),
        # Ray says so to a worker with its first trial, which is too late for what is imported before.
        "OMP_NUM_THREADS": str(cpus_per_trial),
    }


@contextmanager
def connected(address: str, getting_ready: Mapping[str, str] = COLD) -> Iterator[Resources]:
    """A connection to Ray for the length of the block.

    `address` is local (a private cluster on this machine, in the environment `getting_ready`), auto
    (the one this machine belongs to) or ray://HOST:PORT. Raises InvalidValue if there is none, OSError
    if a private one does not start.
    """
    variables = {**ENVIRONMENT, **getting_ready}
    os.environ.update({k: v for k, v in variables.items() if k not in os.environ})
    import ray

    if ray.is_initialized():  # this driver runs on the cluster already, see `on_the_cluster`
        yield _resources()
        return
    options: dict[str, Any] = {"include_dashboard": False}
    if address != LOCAL:
        options = {} if IN_A_JOB in os.environ else {"runtime_env": our_code()}
    try:
        ray.init(
            address,
            log_to_driver=address.startswith(REMOTE),
            logging_level=logging.ERROR,
            **options,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InvalidValue(
            f"--address {address}: no Ray cluster to connect to ({_first_line(error)})"
        ) from error
    except Exception as error:  # of a machine that is too busy Ray says so with no class of its own
        raise OSError(f"Ray could not be started here: {_first_line(error)}") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    # Ray installs a handler of its own; a driver that is told to end does so as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield _resources()
    finally:
        ray.shutdown()


def on_the_cluster(address: str, work: Callable[..., int], *arguments: Any) -> int:
    """Call the function `work` on the cluster at a ray:// address and return what it returns.

    Tune's loop has to be near its workers, and to outlive nothing: without this process it ends.
    What it prints appears here. Raises what was wrong with the input.
    """
    with connected(address):
        import ray

        task: Any = ray.remote(num_cpus=0, max_retries=0)(work)
        return int(got(task.remote(*arguments)))


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
        if isinstance(cause, InvalidValue | DatasetNotFound | StorageFault | WorkerLost):
            raise cause from error
        if isinstance(cause, OSError):
            failed = f"{type(cause).__name__}: {cause}, at {_deepest(str(error))}"
            lost = WorkerLost(f"a process of the cluster failed ({failed})")
            lost.__notes__ = getattr(cause, "__notes__", [])
            raise lost from error
        raise
    except ray.exceptions.NodeDiedError as error:
        raise NodeLost(f"a node of the cluster was lost ({_first_line(error)})") from error
    except ray.exceptions.RayError as error:
        raise WorkerLost(f"a process of the cluster died ({_first_line(error)})") from error


def our_code() -> dict[str, Any]:
    """Send this program along, so that the nodes need its dependencies but no copy of it."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").exists():  # installed: beside it lies all of site-packages
        return {"py_modules": [str(root / package) for package in ("orchestrator", "tasks")]}
    excludes = ["results", "data", ".git", ".venv", "*.beton", "*.parquet"]
    return {"working_dir": str(root), "excludes": excludes}


def _shares(gpus: int, share: float) -> int:
    """How many trials that have `share` of a GPU, or several GPUs, find room on `gpus`."""
    return gpus * int(1 / share + 1e-9) if share < 1 else int(gpus // share)


def _deepest(trace: str) -> str:
    """Where an exception of another process was raised, from the text of its traceback."""
    found = re.findall(r'File "([^"]+)", line (\d+)', trace)
    return ":".join(found[-1]) if found else "a place unknown"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _resources() -> Resources:
    import ray

    alive = (node["Resources"] for node in ray.nodes() if node["Alive"])
    return Resources(tuple((int(n.get("CPU", 0)), int(n.get("GPU", 0))) for n in alive))
