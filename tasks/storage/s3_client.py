"""How an S3 server is spoken to: where it is, and how long is waited for it."""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

READERS = 16
"""Connections at a time."""


class Patience(NamedTuple):
    """How long a request may take."""

    attempts: int
    """With back-off in between that doubles, from up to a second."""
    connect_seconds: float
    read_seconds: float


PATIENT = Patience(8, 10, 20)
"""About a minute in all, if requests are refused."""
CHECK = Patience(3, 10, 20)
"""For `reach` and `check`: of a root that cannot be used it is soon said."""
BRIEF = Patience(2, 3, 5)
"""For what must be known long before a lease has run out."""


def endpoint() -> str | None:
    """Where requests go, if not to AWS."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


@functools.cache
def client_at(endpoint_url: str | None, patience: Patience) -> Any:
    """A client for all threads of the process: making one takes a tenth of a second."""
    # A server elsewhere than AWS has a name of its own, and buckets below it by path alone.
    style = {"addressing_style": "path" if endpoint_url else "auto"}
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        config=Config(
            # The standard mode gives up early where many requests at a time meet an outage: all of a
            # client share five hundred tokens, of which a retry takes five.
            retries={"mode": "legacy", "total_max_attempts": patience.attempts},
            connect_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
            max_pool_connections=READERS,
            s3=style,
        ),
    )
