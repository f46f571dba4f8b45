"""A sweep as a Ray job: sent to a cluster's dashboard, run on the head node, followed from anywhere."""

from __future__ import annotations

import asyncio
import dataclasses
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.dashboard import open_client, temporary_job, translate_faults
from orchestrator.config import JobConfig, SweepConfig, check_name
from orchestrator.config.spelling import spell_flags
from orchestrator.loggers import open_loggers
from orchestrator.search.database_url import (
    PASSWORD,
    hide_password,
    normalise_database,
    remove_password,
)
from tasks.errors import InvalidValue

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

PROGRAM = "python -u -m orchestrator"
STORAGE_THERE = "ORCHESTRATOR_STORAGE"
"""Environment variable on a cluster's head: the storage root of jobs without --storage."""
SWEEP = "sweep"
"""Key of a sweep's name in the metadata of its job."""


def submit_sweep(config: JobConfig) -> str:
    """Send the sweep to the cluster as a job, and return a text that tells how to follow the job.

    The job does not need this machine any more. Raises InvalidValue for settings that a sweep would
    refuse, and if no dashboard answers. Raises DashboardFault if the dashboard does not accept the job.
    """
    config = dataclasses.replace(
        config, name=config.name or config.repeat_name or _make_dated_name(config)
    )
    assert config.name is not None
    entrypoint = build_entrypoint(config)
    client = open_client(config.address)
    with translate_faults(config.address):
        job = _send(client, entrypoint, {SWEEP: config.name})
    where = ["--storage", config.storage] if config.storage else []
    status = ["orchestrator", "status", config.name, "--address", config.address, *where]
    logs = ["ray", "job", "logs", "--follow", "--address", config.address, job]
    stop = ["ray", "job", "stop", "--address", config.address, job]
    return (
        f"sweep {config.name} is job {job} of {config.address}\n"
        f"how far it is: {shlex.join(status)}\n"
        f"what it says:  {shlex.join(logs)}\n"
        f"to stop it:    {shlex.join(stop)}\n"
        "to continue after a stop or after the head was lost: submit the same again, with "
        f"--name {config.name}"
    )


def ask_status_there(name: str, storage: str, address: str) -> tuple[str, int]:
    """Return the state of the sweep's jobs with the output of `orchestrator status` on the cluster.

    Also returns the exit code of that command. Raises InvalidValue if no dashboard answers at
    `address`, DashboardFault if the dashboard fails.
    """
    check_name(name)
    asked = build_command("status", name, storage=storage)
    client = open_client(address)
    with translate_faults(address):
        jobs = _jobs_of(client, name)
    lines = [f"job {job.submission_id}: {job.status}{_reason_of(job)}\n" for job in jobs]
    with temporary_job(client, address) as identity, translate_faults(address):
        said, code = _answer(client, asked, identity)
    return "".join([*lines, said]), 1 if code is None else code


def _reason_of(job: JobDetails) -> str:
    return f" ({job.message})" if job.status == "FAILED" else ""


def build_entrypoint(config: JobConfig) -> str:
    """Return the shell command of the sweep's job; raise InvalidValue for settings that it would refuse."""
    return build_command("sweep", *_flags(config), storage=config.storage)


def build_command(*arguments: str, storage: str) -> str:
    """Return the shell command of a job that runs this program on the cluster, with a storage root.

    Raises InvalidValue for a relative path: the path would lie in the job's own folder, which Ray
    deletes.
    """
    if storage:
        root = shlex.quote(_require_absolute("storage", storage))
    else:
        missing = "no --storage was given, and the head of this cluster sets none"
        root = f'"${{{STORAGE_THERE}:?{missing}}}"'
    return f"{PROGRAM} {shlex.join(arguments)} --storage {root}"


def _flags(config: JobConfig) -> list[str]:
    """Return the flags of `sweep` that give these settings on the cluster; see `build_entrypoint`."""
    common = {f.name: getattr(config, f.name) for f in dataclasses.fields(SweepConfig)}
    sweep = SweepConfig(**common | {"address": "auto", "storage": SweepConfig.storage})
    sweep.validate()
    _check_database(sweep.optuna_storage)
    _check_loggers(sweep.log)
    for name in ("data_dir", "original"):
        if getattr(sweep, name) is not None:
            _require_absolute(name.replace("_", "-"), str(getattr(sweep, name)))
    return spell_flags(sweep)


def _require_absolute(flag: str, path: str) -> str:
    """Return a path on the cluster; raise InvalidValue for a relative one."""
    if "://" not in path and not PurePosixPath(path).is_absolute():
        raise InvalidValue(f"--{flag} {path}: on a cluster, give an absolute path or a URI")
    return path


def _check_database(url: str | None) -> None:
    """Raise InvalidValue for a relative path, and for a password: a cluster's dashboard shows a job's command."""
    if url is None:
        return
    if normalise_database(url) != url:
        raise InvalidValue(f"--optuna-storage {url}: on a cluster, give an absolute path")
    if remove_password(url) != url:
        raise InvalidValue(
            f"--optuna-storage {hide_password(url)}: a dashboard shows a job's command, so leave the password out, "
            f"and set {PASSWORD} on the head of the cluster"
        )


def _check_loggers(specs: Sequence[str]) -> None:
    """Raise InvalidValue for a relative path, and for a password: a cluster's dashboard shows a job's command."""
    for logger in open_loggers(specs):
        if logger.is_local:
            _require_absolute(f"log {logger.name}", logger.target)
        if logger.secret:
            raise InvalidValue(
                f"--log {logger.shown}: a dashboard shows a job's command, so leave the password out, and let the "
                "environment of the cluster's head give it"
            )


def _make_dated_name(config: SweepConfig) -> str:
    """Return a name with the time in it: the names on the cluster's storage are not known here."""
    words = f"{config.preset or config.task or 'sweep'}-{config.objective}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in words)
    return f"{plain[:80]}-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def _send(
    client: JobSubmissionClient,
    entrypoint: str,
    metadata: dict[str, str],
    identity: str | None = None,
) -> str:
    """Submit a job that runs this same program; return the id of the job."""
    from orchestrator.cluster.own_code import package_code

    return client.submit_job(
        entrypoint=entrypoint, runtime_env=package_code(), metadata=metadata, submission_id=identity
    )


def _answer(client: JobSubmissionClient, entrypoint: str, identity: str) -> tuple[str, int | None]:
    """Run a job to its end; return its output and its exit code."""
    _send(client, entrypoint, {}, identity)
    asyncio.run(_wait_for_end(client, identity))
    said = _cut_output(client.get_job_logs(identity))
    return said, client.get_job_info(identity).driver_exit_code


def _jobs_of(client: JobSubmissionClient, name: str) -> list[JobDetails]:
    """Return the jobs of this sweep, the newest last."""
    jobs = [job for job in client.list_jobs() if (job.metadata or {}).get(SWEEP) == name]
    return sorted(jobs, key=lambda job: job.start_time or 0)


async def _wait_for_end(client: Any, job: str) -> None:
    """Wait until a job has ended: its log ends at the same time."""
    async for _ in client.tail_job_logs(job):
        pass


def _cut_output(log: str) -> str:
    """Return the job's own output without Ray's lines; the whole log if the job never began."""
    before, began, after = log.partition("Running entrypoint for job")
    return after.partition("\n")[2] if began else before
