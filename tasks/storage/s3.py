"""A storage root in an S3 bucket, or on a compatible server.

Endpoint and credentials come from the usual places of AWS tools: AWS_ENDPOINT_URL(_S3), AWS_PROFILE,
AWS_ACCESS_KEY_ID, ~/.aws, the role of the machine. The storage needs boto3, and a server that honours
If-None-Match and If-Match on PUT (AWS does since November 2024); `check` tests the server.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tasks.errors import StorageError
from tasks.storage.base import S3, do_nothing
from tasks.storage.lease import ABSENT, Lease, Stored
from tasks.storage.s3_client import (
    BRIEF,
    CHECK,
    PATIENT,
    READERS,
    Patience,
    client_at,
    read_endpoint,
)

ALWAYS: Mapping[str, str] = {}
MARKER = ".storage"
"""An object that `check` leaves at the root."""
NO_OBJECT, REFUSED, BUSY = "NoSuchKey", "PreconditionFailed", "ConditionalRequestConflict"


class S3Storage:
    """Objects are S3 objects, which appear when they are complete. A lock is a renewed lease."""

    folder: Path | None = None
    takeover_seconds = 60.0
    readers = READERS

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._bucket, _, prefix = self.root.removeprefix(S3).partition("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def reach(self) -> None:
        """Raise StorageError unless the bucket can be listed."""
        with self._said_plainly():
            client = client_at(read_endpoint(), CHECK)
            client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def check(self) -> None:
        """Raise StorageError unless the bucket exists, is writable, and honours conditions on PUT."""
        self.put(MARKER, b"", ABSENT, CHECK)
        again = self.put(MARKER, b"", ABSENT, CHECK)
        other = self.put(MARKER, b"", {"IfMatch": f'"{"0" * 32}"'}, CHECK)
        if again is not None or other is not None:
            raise StorageError(
                f"--storage {self.root}: this server ignores If-None-Match or If-Match on PUT; "
                "without them two drivers could overwrite each other"
            )

    def read(self, name: str) -> bytes | None:
        """Return the content of an object; None if there is no such object."""
        stored = self.get(name)
        return None if stored is None else stored.content

    def write(self, name: str, content: bytes) -> None:
        """Write an object by one PUT, which takes effect when the server has the whole content."""
        self.put(name, content)

    def create(self, name: str, content: bytes, settled: bool = True) -> bool:
        """Create an object by one PUT with If-None-Match: *, which is settled when it is answered."""
        return self.put(name, content, ABSENT) is not None

    def settle(self, names: Iterable[str]) -> None:
        """Do nothing: see `create`."""

    def delete(self, name: str) -> None:
        """Remove an object, if it exists."""
        with self._said_plainly():
            client_at(read_endpoint(), PATIENT).delete_object(
                Bucket=self._bucket, Key=self._prefix + name
            )

    def remove_folder(self, folder: str) -> None:
        """Remove every object whose name begins with the folder's, several at a time."""
        client = client_at(read_endpoint(), PATIENT)
        lister = client.get_paginator("list_objects_v2")
        inside = f"{self._prefix}{folder.rstrip('/')}/"
        with self._said_plainly(), ThreadPoolExecutor(READERS) as pool:
            for page in lister.paginate(Bucket=self._bucket, Prefix=inside):
                keys = [o["Key"] for o in page.get("Contents", ())]
                gone = pool.map(
                    lambda key: client.delete_object(Bucket=self._bucket, Key=key), keys
                )
                deque(gone, maxlen=0)  # an error of a thread is raised here

    def list_names(self, folder: str = "", after: str = "") -> list[str]:
        """List objects and, with a slash at the end, common prefixes, sorted."""
        inside = self._prefix + (f"{folder.rstrip('/')}/" if folder else "")
        lister = client_at(read_endpoint(), PATIENT).get_paginator("list_objects_v2")
        pages = lister.paginate(
            Bucket=self._bucket, Prefix=inside, Delimiter="/", StartAfter=inside + after
        )
        with self._said_plainly():
            found = [
                key.removeprefix(inside)
                for page in pages
                for key in (
                    *(o["Key"] for o in page.get("Contents", ())),
                    *(p["Prefix"] for p in page.get("CommonPrefixes", ())),
                )
            ]
        return sorted(n for n in found if n and not n.startswith(".") and n > after)

    @contextmanager
    def lock(
        self,
        name: str,
        on_held: Callable[[], None] = do_nothing,
        on_lost: Callable[[], None] = do_nothing,
    ) -> Iterator[Callable[[], bool]]:
        """Hold a lease for the duration of the block; a thread renews it."""
        lease = Lease(self, name, self.takeover_seconds, BRIEF, on_lost)
        lease.acquire(on_held)
        try:
            yield lease.is_taken
        finally:
            lease.release()

    def is_locked(self, name: str) -> bool:
        """Tell whether a lease is running."""
        return Lease(self, name, self.takeover_seconds, BRIEF).is_held(self.get(name))

    def get(self, name: str, patience: Patience = PATIENT) -> Stored | None:
        """Return an object and its age; None if there is no such object."""
        with self._said_plainly():
            attempt = 0
            while (response := self._found(name, patience)) is not None:
                attempt += 1
                try:
                    content = response["Body"].read()
                except BotoCoreError:  # the connection broke: botocore does not retry that
                    if attempt == patience.attempts:
                        raise
                    time.sleep(min(20.0, 0.1 * 2**attempt))
                else:
                    now = response["ResponseMetadata"]["HTTPHeaders"]["date"]
                    age = parsedate_to_datetime(now) - response["LastModified"]
                    return Stored(content, response["ETag"], age.total_seconds())
        return None

    def put(
        self,
        name: str,
        content: bytes,
        condition: Mapping[str, str] = ALWAYS,
        patience: Patience = PATIENT,
    ) -> str | None:
        """Write an object if the condition holds; return its ETag, or None if the condition failed."""
        with self._said_plainly():
            tried_before = False
            while True:
                try:
                    done = client_at(read_endpoint(), patience).put_object(
                        Bucket=self._bucket, Key=self._prefix + name, Body=content, **condition
                    )
                    return str(done["ETag"])
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if not condition or code not in (REFUSED, NO_OBJECT, BUSY):
                        raise
                    tried_before |= error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
                if code != BUSY:
                    break
                tried_before = True
                time.sleep(0.1)  # others write at this moment: the next try shows who won
        # An earlier try may have succeeded, and its answer may have been lost.
        stored = self.get(name, patience) if tried_before else None
        return stored.etag if stored and stored.content == content else None

    def _found(self, name: str, patience: Patience) -> dict[str, Any] | None:
        try:
            client = client_at(read_endpoint(), patience)
            return dict(client.get_object(Bucket=self._bucket, Key=self._prefix + name))
        except ClientError as error:
            if error.response["Error"]["Code"] != NO_OBJECT:
                raise
            return None

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            reason = " ".join(str(error).split())
            raise StorageError(f"--storage {self.root}: {reason}") from error
