"""Connecting to Ray: a private local cluster, one that runs here already, or a remote one."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestrator.cluster.own_code import our_code
from orchestrator.cluster.resources import Resources
from orchestrator.config import LOCAL, REMOTE
from tasks.errors import ClusterFault, InvalidValue

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
    # Ray documents no name RAY_ with small letters; tests/orchestrator/test_ray_contract.py holds them.
    # Trials measure seconds: Ray's usual niceness of 15 would let any other program disturb them.
    "RAY_worker_niceness": "0",
    # Idle OpenMP threads sleep instead of spinning on cores that other trials need.
    "OMP_WAIT_POLICY": "PASSIVE",
}
PRELOADED = ("torch", "scipy.optimize", "ray.tune")
"""What takes the first seconds of every worker."""
COLD: Mapping[str, str] = {}
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets it for the command of a job, whose code is on every node already."""


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
    (the one this machine belongs to) or ray://HOST:PORT. Raises InvalidValue if there is none, ClusterFault
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
            f"--address {address}: no Ray cluster to connect to ({first_line(error)})"
        ) from error
    except Exception as error:  # of a machine that is too busy Ray says so with no class of its own
        raise ClusterFault(f"Ray could not be started here: {first_line(error)}") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    # Ray installs a handler of its own; a driver that is told to end does so as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield _resources()
    finally:
        ray.shutdown()


def _resources() -> Resources:
    import ray

    alive = (node["Resources"] for node in ray.nodes() if node["Alive"])
    return Resources(tuple((int(n.get("CPU", 0)), int(n.get("GPU", 0))) for n in alive))


def first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
