"""A private Ray cluster, kept to this machine and to this user."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.cluster.last_words import Watcher
from orchestrator.cluster.watcher import remove_folders
from tasks.errors import InvalidValue

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes Ray use 127.0.0.1 as the address of this machine, as it does on macOS. Ray reads it when it is imported.

Then GCS, raylet, workers and agents listen on loopback alone. Ray replaces a `_node_ip_address` of 127.0.0.1.
"""
TOKEN_BITS = 256


@contextmanager
def open_private_folder(watcher: Watcher | None = None) -> Iterator[str]:
    """Yield a folder for Ray's sessions, in a new one that only this user can enter; delete both after the block.

    Whatever still runs for the folder is ended then. `watcher` does the same if this process is killed.

    Raises InvalidValue if RAY_TMPDIR cannot be used.
    The path is short, because Ray's sockets lie in it. /tmp/ray, Ray's default, is readable for everybody.
    """
    where = os.environ.get("RAY_TMPDIR") or "/tmp"
    try:
        folder = tempfile.mkdtemp(prefix="ray-", dir=where)
    except OSError as error:
        raise InvalidValue(
            f"RAY_TMPDIR {where}: no folder can be made there ({error.strerror})"
        ) from error
    try:
        if watcher is not None:
            watcher.remove(folder)
        yield os.path.join(folder, "r")  # Ray lets everybody into the folder that it is given
    finally:
        remove_folders([folder])


def make_token_private() -> None:
    """Create Ray's token unless it exists, and let only this user read it: whoever has it runs code as the user.

    Ray itself would create a file that everybody can read. A home that cannot be written is left as it is.
    """
    if os.environ.get("RAY_AUTH_MODE") == "disabled" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        os.chmod(path, 0o600)


def refuse_after_private(address: str) -> None:
    """Raise InvalidValue if this process cannot reach a cluster, because it ran a private one before."""
    if all(os.environ.get(name) == value for name, value in LOOPBACK.items()):
        raise InvalidValue(
            f"--address {address}: this process uses Ray on loopback alone, because it ran a local sweep or "
            f"because of {next(iter(LOOPBACK))}=0: run this sweep in another process"
        )


def _create(path: Path) -> None:
    """Create the file with a new token; of several processes, the first one's token stays."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(TOKEN_BITS // 8))
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
