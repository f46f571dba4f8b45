"""A sweep as a Ray job: sent to a cluster's dashboard, run on its head, followed from anywhere."""

from __future__ import annotations

import asyncio
import dataclasses
import shlex
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.dashboard import client_of, faults_of, temporary_job
from orchestrator.config import JobConfig, SweepConfig, check_name
from tasks.errors import InvalidValue

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

PROGRAM = "python -u -m orchestrator"
STORAGE_THERE = "ORCHESTRATOR_STORAGE"
"""Environment variable of a cluster's head: the storage root of jobs that are given none."""
SWEEP = "sweep"
"""Under this key a job's metadata hold the sweep's name."""


def submit(config: JobConfig) -> str:
    """Send the sweep to the cluster as a job, which needs this machine no more, and return how to follow it.

    Raises InvalidValue for settings that a sweep would refuse, and without a dashboard there,
    DashboardFault if that does not take it.
    """
    config = dataclasses.replace(config, name=config.name or config.repeat or _dated(config))
    assert config.name is not None
    entrypoint = entrypoint_of(config)
    client = client_of(config.address)
    with faults_of(config.address):
        job = _send(client, entrypoint, {SWEEP: config.name})
    where = f" --storage {config.storage}" if config.storage else ""
    return (
        f"sweep {config.name} is job {job} of {config.address}\n"
        f"how far it is: orchestrator status {config.name} --address {config.address}{where}\n"
        f"what it says:  ray job logs --follow --address {config.address} {job}\n"
        f"to stop it:    ray job stop --address {config.address} {job}\n"
        "to go on after it was stopped or its head was lost: submit the same again, with "
        f"--name {config.name}"
    )


def ask_status_there(name: str, storage: str, address: str) -> tuple[str, int]:
    """Return what `orchestrator status` says on the cluster, and how the sweep's job is.

    Returns that command's exit code too. Raises InvalidValue without a dashboard at `address`,
    DashboardFault if that fails.
    """
    check_name(name)
    asked = command("status", name, storage=storage)
    client = client_of(address)
    with faults_of(address):
        jobs = _jobs_of(client, name)
    lines = [f"job {job.submission_id}: {job.status}{_reason_of(job)}\n" for job in jobs]
    with temporary_job(client, address) as identity, faults_of(address):
        said, code = _answer(client, asked, identity)
    return "".join([*lines, said]), 1 if code is None else code


def _reason_of(job: JobDetails) -> str:
    return f" ({job.message})" if job.status == "FAILED" else ""


def entrypoint_of(config: JobConfig) -> str:
    """The shell command of the sweep's job; raises InvalidValue for settings that it would refuse."""
    return command("sweep", *_flags(config), storage=config.storage)


def command(*arguments: str, storage: str) -> str:
    """The shell command of a job that runs this program on the cluster, with its storage root.

    Raises InvalidValue for a relative path, which would lie in a job's own short-lived folder.
    """
    if storage:
        root = shlex.quote(_there("storage", storage))
    else:
        missing = "no --storage was given, and the head of this cluster names none"
        root = f'"${{{STORAGE_THERE}:?{missing}}}"'
    return f"{PROGRAM} {shlex.join(arguments)} --storage {root}"


def _flags(config: JobConfig) -> list[str]:
    """The command line of `sweep` that gives these settings there; see `entrypoint_of`."""
    common = {f.name: getattr(config, f.name) for f in dataclasses.fields(SweepConfig)}
    sweep = SweepConfig(**common | {"address": "auto", "storage": SweepConfig.storage})
    sweep.checked()
    if sweep.data_dir is not None:
        _there("data-dir", str(sweep.data_dir))
    given = {
        f.name: getattr(sweep, f.name)
        for f in dataclasses.fields(SweepConfig)
        if getattr(sweep, f.name) != f.default
    }
    spelt = {k: ",".join(v) if isinstance(v, tuple) else str(v) for k, v in given.items()}
    return [part for k, v in spelt.items() for part in (f"--{k.replace('_', '-')}", v)]


def _there(flag: str, path: str) -> str:
    """A path on the cluster; raises InvalidValue unless it means the same from every folder."""
    if "://" not in path and not PurePosixPath(path).is_absolute():
        raise InvalidValue(f"--{flag} {path}: on a cluster, give an absolute path or a URI")
    return path


def _dated(config: SweepConfig) -> str:
    """A name that no other sweep has: what is on the cluster's storage is not known here."""
    words = f"{config.preset or config.task or 'sweep'}-{config.objective}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in words)
    return f"{plain[:80]}-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def _send(
    client: JobSubmissionClient,
    entrypoint: str,
    metadata: dict[str, str],
    identity: str | None = None,
) -> str:
    """Submit a job that runs this very program; returns its id."""
    from orchestrator.cluster.own_code import our_code

    return client.submit_job(
        entrypoint=entrypoint, runtime_env=our_code(), metadata=metadata, submission_id=identity
    )


def _answer(client: JobSubmissionClient, entrypoint: str, identity: str) -> tuple[str, int | None]:
    """What a job prints, once it has ended, and its exit code."""
    _send(client, entrypoint, {}, identity)
    asyncio.run(_ended(client, identity))
    said = _output(client.get_job_logs(identity))
    return said, client.get_job_info(identity).driver_exit_code


def _jobs_of(client: JobSubmissionClient, name: str) -> list[JobDetails]:
    """The jobs that were sent for this sweep, the newest last."""
    jobs = [job for job in client.list_jobs() if (job.metadata or {}).get(SWEEP) == name]
    return sorted(jobs, key=lambda job: job.start_time or 0)


async def _ended(client: Any, job: str) -> None:
    """Wait until a job has ended: then its log does."""
    async for _ in client.tail_job_logs(job):
        pass


def _output(log: str) -> str:
    """What a job itself has said, after Ray's own lines; all of it if it never began."""
    before, began, after = log.partition("Running entrypoint for job")
    return after.partition("\n")[2] if began else before
