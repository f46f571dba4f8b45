"""Connections to Ray: to a private local cluster, to a cluster that already runs here, or to a remote one."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import Any

from orchestrator.cluster.answer import check_answer
from orchestrator.cluster.interrupts import Interrupts, is_ignored, keep_handlers
from orchestrator.cluster.last_words import Watcher, open_scratch
from orchestrator.cluster.own_code import package_code
from orchestrator.cluster.private.lean_node import without_helpers
from orchestrator.cluster.private.node_guard import NodeGuard, guard_node
from orchestrator.cluster.private.private_node import (
    LOOPBACK,
    make_token_private,
    open_private_folder,
    refuse_after_private,
)
from orchestrator.cluster.resources import Resources
from orchestrator.config import LOCAL, REMOTE
from tasks.errors import ClusterFault, InvalidValue

ENVIRONMENT = {
    # Tune's loggers write CSV, JSON and TensorBoard files per trial: 0.1 s each.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # We handle Ctrl-C ourselves: resuming a sweep needs none of Tune's own state.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A trial keeps the driver's working directory, so that a relative path means the same in both.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Ray documents no name RAY_ with small letters; tests/orchestrator/execution/test_ray_contract.py holds them.
    # Trials measure seconds: Ray's usual niceness of 15 would let any other program disturb them.
    "RAY_worker_niceness": "0",
    # Idle OpenMP threads sleep instead of spinning on cores that other trials need.
    "OMP_WAIT_POLICY": "PASSIVE",
}
PRELOADED = ("torch", "pyarrow.parquet")
"""Modules whose import takes the first seconds of every worker. None is of this program: a worker learns only later
where its driver's code is, which may be another copy than the one that is installed."""
COLD: Mapping[str, str] = {}
_ABANDONED = threading.Event()
"""Set once Ray was left without a shutdown."""
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Variable that Ray sets for the command of a job. The code of a job is already on every node."""


def warm_environment(slots: int, cpus_per_trial: int) -> dict[str, str]:
    """Return variables that let the first processes of a private cluster import modules early.

    There is one process for each of `slots` concurrent trials, and one that prepares the original model.
    They import while the cluster is still starting.
    """
    return {
        "RAY_preload_python_modules": ",".join(PRELOADED),
        "RAY_worker_maximum_startup_concurrency": str(slots + 1),
        # Ray would end idle processes beyond one per CPU: trials wait for the models, and may have several CPUs each.
        "RAY_num_workers_soft_limit": str(slots + 1),
        # Ray tells a worker its number of threads with its first trial: too late for early imports.
        "OMP_NUM_THREADS": str(cpus_per_trial),
    }


@contextmanager
def connect_ray(
    address: str, getting_ready: Mapping[str, str] = COLD, watcher: Watcher | None = None
) -> Iterator[Resources]:
    """Connect to Ray for the duration of the block; yield the resources of the cluster.

    `address` is local, auto or ray://HOST:PORT. local starts a private cluster on this machine, in
    the environment `getting_ready`; it listens on loopback alone, and `watcher` removes it if this process is
    killed. auto is the cluster that this machine belongs to. Raises InvalidValue if no such cluster answers
    within a minute, ClusterFault if a private cluster does not start, or dies within the block.
    """
    private = address == LOCAL
    if not private:
        refuse_after_private(address)
    variables = {**ENVIRONMENT, **getting_ready, **(LOOPBACK if private else {})}
    os.environ.update({k: v for k, v in variables.items() if k not in os.environ})
    import ray

    if ray.is_initialized():  # this driver already runs on the cluster, see `run_on_cluster`
        yield _resources()
        return
    interrupts = Interrupts()
    with ExitStack() as stack:
        options: dict[str, Any] = {"include_dashboard": False}
        if private:
            make_token_private()
            stack.enter_context(
                open_scratch(watcher)
            )  # for its workers, too; deleted when they have ended
            options["_temp_dir"] = stack.enter_context(open_private_folder(watcher))
        else:
            check_answer(address)
            options = {} if IN_A_JOB in os.environ else {"runtime_env": package_code()}
        with (
            interrupts.deferred(),
            keep_handlers(),
            without_helpers() if private else nullcontext(),
        ):
            _initialise(address, options)
        _heed_signals()
        guard: list[NodeGuard] = []
        stack.callback(_shut_down, guard)
        interrupts.check()
        if private:
            guard.append(stack.enter_context(guard_node()))
        else:  # only now: Ray finds a cluster by a file among the temporary ones
            stack.enter_context(open_scratch(watcher))
        yield _resources()


def _initialise(address: str, options: Mapping[str, Any]) -> None:
    """Start or join the cluster; see `connect_ray`."""
    import ray

    try:
        ray.init(
            address,
            log_to_driver=address.startswith(REMOTE),
            logging_level=logging.ERROR,
            **options,
        )
    except Exception as error:  # Ray has no exception class for a machine that is too busy
        if address != LOCAL and isinstance(error, ConnectionError | RuntimeError | ValueError):
            raise InvalidValue(
                f"--address {address}: no Ray cluster to connect to ({join_lines(error)})"
            ) from error
        raise ClusterFault(f"Ray could not be started here: {join_lines(error)}") from error
    logging.getLogger("ray").setLevel(logging.ERROR)


def _heed_signals() -> None:
    """End on SIGTERM as on Ctrl-C, and so if the terminal is closed, unless nohup started this process."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not is_ignored(signal.SIGHUP):
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def _shut_down(guards: Sequence[NodeGuard]) -> None:
    """Leave the cluster, in peace. A private one that is dead would not answer: its processes are killed instead."""
    import ray

    if any(guard.is_dead() for guard in guards):
        atexit.unregister(ray.shutdown)
        _ABANDONED.set()
        return
    with Interrupts().deferred():
        ray.shutdown()


def leave_process(code: int) -> int:
    """Return the exit code of this process; if its private cluster has died, end the process with it.

    At exit Ray's C++ would wait for the dead cluster, or abort.
    """
    if _ABANDONED.is_set():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


def _resources() -> Resources:
    import ray

    alive = (node["Resources"] for node in ray.nodes() if node["Alive"])
    return Resources(tuple((int(n.get("CPU", 0)), int(n.get("GPU", 0))) for n in alive))


def read_first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the error's class if it has no message."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def join_lines(error: Exception) -> str:
    """Return an error's whole message as one line: Ray names both versions of a mismatch below the first one."""
    return " ".join(str(error).split()) or type(error).__name__
