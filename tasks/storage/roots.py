"""Storage roots by path or URI."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tasks.errors import InvalidValue
from tasks.storage.base import S3, Storage

S3_ROOT = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/?#]+)*/?")


def open_root(root: str | Path) -> Storage:
    """Return the storage at a path or URI, without touching it. Raises InvalidValue as `normalise_root`."""
    from tasks.storage.folder import FolderStorage

    text = normalise_root(str(root))
    if not text.startswith(S3):
        return FolderStorage(Path(text))
    from tasks.storage.s3 import S3Storage

    return S3Storage(text)


def normalise_root(text: str) -> str:
    """Return a storage root in the form that every node understands: absolute path or s3://BUCKET/PREFIX.

    Raises InvalidValue for any other text, and if this installation lacks a package for the root.
    """
    scheme = text.partition("://")[0] if "://" in text else "file"
    if scheme == "file":
        path = unquote(urlsplit(text).path) if "://" in text else text
        if not path or "\0" in path:
            raise InvalidValue(f"--storage {text!r}: not a path of a folder")
        return os.path.abspath(os.path.expanduser(path))
    if not S3_ROOT.fullmatch(text) or {".", ".."} & set(text.split("/")):
        raise InvalidValue(f"--storage {text}: neither a folder nor s3://BUCKET/PREFIX")
    if find_spec("boto3") is None:
        raise InvalidValue(
            f"--storage {text}: needs boto3, which is not installed: pip install boto3"
        )
    return text.rstrip("/")
