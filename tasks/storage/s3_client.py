"""Clients of an S3 server: its endpoint, and the time limits of requests."""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

READERS = 16
"""Connections at a time."""


class Patience(NamedTuple):
    """Time limits of a request."""

    attempts: int
    """Attempts in all; the pause between them doubles, from up to a second."""
    connect_seconds: float
    read_seconds: float


PATIENT = Patience(8, 10, 20)
"""Limits for most requests: about a minute in all, if the server refuses them."""
CHECK = Patience(3, 10, 20)
"""Limits for `reach` and `check`, which report an unusable root soon."""
BRIEF = Patience(2, 3, 5)
"""Limits for requests that must end long before a lease expires."""


def read_endpoint() -> str | None:
    """Return the URL of the server; None for AWS."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


@functools.cache
def client_at(endpoint_url: str | None, patience: Patience) -> Any:
    """Return one client for all threads of the process: making a client takes 0.1 s."""
    # Other servers than AWS often support buckets as a path only, not as a host name.
    style = {"addressing_style": "path" if endpoint_url else "auto"}
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        config=Config(
            # The standard mode gives up early if many concurrent requests meet an outage: all requests
            # of a client share 500 tokens, and a retry takes 5.
            retries={"mode": "legacy", "total_max_attempts": patience.attempts},
            connect_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
            max_pool_connections=READERS,
            s3=style,
        ),
    )
