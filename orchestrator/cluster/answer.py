"""Whether a Ray cluster answers at an address, found out within a minute."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from orchestrator.config import REMOTE
from tasks.errors import InvalidValue

PATIENCE_SECONDS = 50.0
"""A head may be starting. Ray itself waits for 14 minutes."""
PAUSE_SECONDS = 1.0
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of gRPC begins: the preface of HTTP/2, and a frame without settings. A live server replies."""


def check_answer(address: str, patience: float = PATIENCE_SECONDS) -> None:
    """Raise InvalidValue, with the reason, if no gRPC server answers at the address of a cluster in time.

    Does nothing if the address is not known here: Ray then looks for a cluster by itself.
    """
    found = _find_address(address)
    if found is None:
        return
    until = time.monotonic() + patience
    while (fault := _find_fault(*found, until - time.monotonic())) is not None:
        if time.monotonic() + PAUSE_SECONDS > until:
            where = ":".join(map(str, found))
            raise InvalidValue(
                f"--address {address}: no Ray cluster answers at {where} ({fault}): its head is gone, or RAY_ADDRESS "
                "is out of date"
            )
        time.sleep(PAUSE_SECONDS)


def _find_address(address: str) -> tuple[str, int] | None:
    """Return host and port; for auto those of RAY_ADDRESS. None if they are not known or encrypted."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return None
    text = address.removeprefix(REMOTE) if address.startswith(REMOTE) else _read_auto()
    host, _, port = text.partition("/")[0].rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else None


def _read_auto() -> str:
    """Return the address that `auto` stands for: of the environment, or of the last head on this machine."""
    if os.environ.get("RAY_ADDRESS"):
        return os.environ["RAY_ADDRESS"].removeprefix(REMOTE)
    noted = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"
    try:
        return noted.read_text().strip()
    except OSError:
        return ""


def _find_fault(host: str, port: int, seconds: float) -> str | None:
    """Return why there is no gRPC server; None if one replies within `seconds`."""
    try:
        with socket.create_connection((host, port), max(seconds, 0.1)) as connection:
            connection.settimeout(max(seconds, 0.1))
            connection.sendall(HELLO)
            return None if connection.recv(1) else "it closes the connection"
    except TimeoutError:
        return "it does not reply"
    except OSError as error:
        return error.strerror or str(error)
