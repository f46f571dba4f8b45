"""The digest of a row file: the SHA-256 of all its other bytes, kept inside the file.

    PAR1, column chunks | "SHA-256:", digest | footer, length of the footer, PAR1

Parquet finds everything by offsets from the start of the file and by the length of its footer. So every
reader skips the forty bytes before the footer. The checksums of Parquet's pages do not cover the footer: one
flipped bit there may turn a column into null, or one column into another. A digest inside the file is
written and replaced together with the rows, in a folder and in a bucket alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

MARK = b"SHA-256:"
LENGTH = len(MARK) + 32
TAIL = 8
"""Bytes behind the footer: its length, and PAR1."""
VERSION = b"schema_version"
"""Key of every row file's metadata. A Parquet file without this key was written by another program."""
SEALED_SINCE = 2
"""The first schema version whose files have a digest."""


class ForeignFile(ValueError):
    """A Parquet file that another program wrote."""


def seal_file(content: bytes) -> bytes:
    """Return the bytes of a Parquet file with its digest."""
    at = _find_footer(content)
    digest = hashlib.sha256(content).digest()
    return b"".join((content[:at], MARK, digest, content[at:]))


def verify_digest(content: bytes) -> bool:
    """Return True if the file has a digest, False if it has none; raise ValueError if it is another."""
    at = _find_footer(content)
    start = at - LENGTH
    if start < 0 or content[start : start + len(MARK)] != MARK:
        return False
    view = memoryview(content)
    digest = hashlib.sha256(view[:start])
    digest.update(view[at:])
    if digest.digest() != content[start + len(MARK) : at]:
        raise ValueError("its checksum is another")
    return True


def check_version(metadata: Mapping[bytes, bytes] | None) -> None:
    """Check the metadata of a file without digest: an earlier version of this program wrote no digests.

    Raises ForeignFile if another program wrote the file, ValueError if its digest is lost.
    """
    version = (metadata or {}).get(VERSION)
    if version is None:
        raise ForeignFile("another program wrote it")
    if not version.isdigit() or int(version) >= SEALED_SINCE:
        raise ValueError("its checksum is missing")


def _find_footer(content: bytes) -> int:
    """Return the offset of the footer. Of what is no Parquet file, the number means nothing."""
    return len(content) - TAIL - int.from_bytes(content[-TAIL:-4], "little")
