"""Connecting to Ray: a private local cluster, one that runs here already, or a remote one."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.search_space import InvalidValue

ENVIRONMENT = {
    # Loggers write CSV, JSON and TensorBoard files per trial: a tenth of a second each.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C is ours to handle: nothing of Tune's own state is needed to go on.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Trials measure seconds: Ray's usual niceness of 15 would let any other program disturb them.
    "RAY_worker_niceness": "0",
    # Idle OpenMP threads sleep instead of spinning on cores that other trials need.
    "OMP_WAIT_POLICY": "PASSIVE",
}
DEFAULT_GPU_SHARE = 0.25


@dataclass(frozen=True)
class Resources:
    """What the cluster has, and the most that one node of it has."""

    cpus: int
    gpus: int
    cpus_of_a_node: int


@contextmanager
def connected(address: str) -> Iterator[Resources]:
    """A connection to Ray for the length of the block.

    `address` is local (a private cluster on this machine), auto (the one this machine belongs to)
    or ray://HOST:PORT. Raises InvalidValue if there is none.
    """
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    import ray

    options = {"include_dashboard": False} if address == "local" else _remote_options()
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidValue(
            f"--address {address}: no Ray cluster to connect to ({reason})"
        ) from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    # Ray installs a handler of its own; a driver that is told to end does so as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield _resources()
    finally:
        ray.shutdown()


def _remote_options() -> dict[str, object]:
    """Send this program along, so that the nodes need its dependencies but no copy of it."""
    root = Path(__file__).resolve().parent.parent
    excludes = ["results", "data", ".git", ".venv", "*.beton", "*.parquet"]
    return {"runtime_env": {"working_dir": str(root), "excludes": excludes}}


def _resources() -> Resources:
    import ray

    total = ray.cluster_resources()
    of_a_node = max((node["Resources"].get("CPU", 0) for node in ray.nodes()), default=0)
    return Resources(int(total.get("CPU", 0)), int(total.get("GPU", 0)), int(of_a_node))
