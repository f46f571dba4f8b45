"""The dashboard of a Ray cluster: a client, its errors, and a job that is deleted after use."""

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
"""Time for a job to stop. Ray kills the job after three seconds."""


def open_client(address: str) -> JobSubmissionClient:
    """Connect to a dashboard; raise InvalidValue if there is none or if it demands a token."""
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    if not address.startswith(WEB):
        raise InvalidValue(f"--address {address!r} is not a dashboard: give http://HOST:PORT")
    for variable in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        os.environ.pop(variable, None)  # Ray would use this variable instead of the given address
    with translate_faults(address):
        try:
            return JobSubmissionClient(address)
        except (ConnectionError, RuntimeError, AuthenticationError) as error:
            raise InvalidValue(f"--address {address}: {_reason(error)}") from error


@contextmanager
def translate_faults(address: str) -> Iterator[None]:
    """Raise DashboardFault for the many kinds of errors that Ray's client raises in the block.

    Raises InvalidValue if the dashboard demands a token, or another token.
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
    """Return the first line of an error of Ray's client, or the last line of a dashboard's traceback."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    first, traceback, _ = lines[0].partition("Traceback (most recent call last)")
    # Ray's client adds a line with a full stop after a traceback.
    return f"{first}{[line for line in lines if line != '.'][-1]}" if traceback else first


@contextmanager
def temporary_job(client: JobSubmissionClient, address: str) -> Iterator[str]:
    """Yield an id for a job that the block sends; delete the job after the block, also after an error.

    The id is chosen here, because the dashboard's reply to the submission may be lost.
    """
    identity = f"status_{secrets.token_hex(8)}"
    try:
        yield identity
    except BaseException as error:
        if not _is_gone(client, identity):
            error.add_note(f"to delete its job: ray job delete --address {address} {identity}")
        raise
    with translate_faults(address):
        client.delete_job(identity)


def _is_gone(client: JobSubmissionClient, job: str) -> bool:
    """Stop and delete a job; return whether that worked. Ray deletes only jobs that have ended."""
    until = time.monotonic() + STOPPED_SECONDS
    with suppress(Exception):  # the job may have ended
        client.stop_job(job)
    while time.monotonic() < until:
        try:
            return client.delete_job(job)
        except RuntimeError as error:
            if "status code 404" in str(error):
                return True
            time.sleep(0.5)
        except Exception:  # no connection: the error that ended the block reports that
            return False
    return False
