"""The digest of a row file: the SHA-256 of all its other bytes, kept inside the file.

    PAR1, column chunks | copy, its length, "ARROW" | "SHA-256:", digest | footer, length of the footer, PAR1

Parquet finds everything by offsets from the start of the file and by the length of its footer. So every
reader skips what lies before the footer. The checksums of Parquet's pages do not cover the footer: one
flipped bit there may turn a column into null, or one column into another. A digest inside the file is
written and replaced together with the rows, in a folder and in a bucket alike.

The copy, which only a file of one trial has, holds the same rows for this program: to parse a footer that
describes all our columns would take longer than everything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

MARK = b"SHA-256:"
LENGTH = len(MARK) + 32
COPY_MARK = b"ARROW"
COPY_LENGTH = 8
"""Bytes of the number that is the length of the copy."""
TAIL = 8
"""Bytes behind the footer: its length, and PAR1."""
VERSION = b"schema_version"
"""Key of every row file's metadata. A Parquet file without this key was written by another program."""
SEALED_SINCE = 2
"""The first schema version whose files have a digest."""


class ForeignFile(ValueError):
    """A Parquet file that another program wrote."""


def seal_file(content: bytes, copy: bytes = b"") -> bytes:
    """Return the bytes of a Parquet file with its digest, and with a copy of its rows in another form if given."""
    at = _find_footer(content)
    kept = [copy, len(copy).to_bytes(COPY_LENGTH, "little"), COPY_MARK] if copy else []
    before = b"".join([content[:at], *kept])
    digest = hashlib.sha256(before)
    digest.update(content[at:])
    return b"".join([before, MARK, digest.digest(), content[at:]])


def find_copy(content: bytes) -> memoryview | None:
    """Return the copy of the rows in a file whose digest was verified; None if it has none."""
    end = _find_footer(content) - LENGTH - len(COPY_MARK)
    at = end - COPY_LENGTH
    if at < 0 or content[end : end + len(COPY_MARK)] != COPY_MARK:
        return None
    start = at - int.from_bytes(content[at:end], "little")
    return memoryview(content)[start:at] if start >= 0 else None


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
