"""The dashboard of a Ray cluster, which takes jobs: what is raised if it does not, and a job that goes again."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tasks.errors import DashboardFault, InvalidValue

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

WEB = ("http://", "https://")
"""Addresses of dashboards."""
STOPPED_SECONDS = 5.0
"""A job that is told to stop has ended by then: Ray kills it after three."""


def client_of(address: str) -> JobSubmissionClient:
    """A connection to a dashboard; raises InvalidValue if there is none or it wants a token."""
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    if not address.startswith(WEB):
        raise InvalidValue(f"--address {address!r} is no dashboard: give http://HOST:PORT")
    for variable in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        os.environ.pop(variable, None)  # Ray would prefer it to the address that was given
    with faults_of(address):
        try:
            return JobSubmissionClient(address)
        except (ConnectionError, RuntimeError, AuthenticationError) as error:
            raise InvalidValue(f"--address {address}: {_reason(error)}") from error


@contextmanager
def faults_of(address: str) -> Iterator[None]:
    """Around requests: raises DashboardFault for what Ray's client raises, which is of many kinds.

    Raises InvalidValue if the dashboard wants a token, or another one.
    """
    from aiohttp import ClientError
    from ray.exceptions import AuthenticationError

    try:
        yield
    except InvalidValue:
        raise
    except AuthenticationError as error:
        raise InvalidValue(f"dashboard at {address}: {_reason(error)}") from error
    except (RuntimeError, OSError, ValueError, ClientError) as error:
        raise DashboardFault(f"dashboard at {address}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of what Ray's client says, or what the traceback of a dashboard ends with."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    first, traceback, _ = lines[0].partition("Traceback (most recent call last)")
    # Ray's client puts a full stop behind a traceback, on a line of its own.
    return f"{first}{[line for line in lines if line != '.'][-1]}" if traceback else first


@contextmanager
def temporary_job(client: JobSubmissionClient, address: str) -> Iterator[str]:
    """The id of a job to be sent in the block, which is deleted after it, whatever ends that.

    It is given and not asked for: the dashboard's reply to the sending may be lost.
    """
    identity = f"status_{secrets.token_hex(8)}"
    try:
        yield identity
    except BaseException as error:
        if not _is_gone(client, identity):
            error.add_note(f"to delete its job: ray job delete --address {address} {identity}")
        raise
    with faults_of(address):
        client.delete_job(identity)


def _is_gone(client: JobSubmissionClient, job: str) -> bool:
    """Stop and delete a job, which Ray does not before it has ended; returns whether that worked."""
    until = time.monotonic() + STOPPED_SECONDS
    with suppress(Exception):  # it may have ended
        client.stop_job(job)
    while time.monotonic() < until:
        try:
            return client.delete_job(job)
        except RuntimeError as error:
            if "status code 404" in str(error):
                return True
            time.sleep(0.5)
        except Exception:  # no connection: what ended the block says so
            return False
    return False
