"""A content-addressed cache of trained models: trained once, whoever asks, whoever dies."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout


@dataclass(frozen=True)
class TrainingRecord:
    """What training a cached model took."""

    seconds: float
    """Wall seconds of training, device-synchronised."""
    gradient_samples: int
    """Examples passed forward and backward."""
    flops: float
    """Floating-point operations."""
    device: str
    """Name of the device it ran on."""
    threads: int
    """CPU threads it ran with."""


@dataclass(frozen=True)
class Artifact:
    """The weights of a trained model and how they came about."""

    key: str
    state: dict[str, torch.Tensor]
    record: TrainingRecord


class ArtifactCache:
    """`<root>/<key>.pt` holds the weights, `<root>/<key>.json` their SHA-256 and record.

    One trainer at a time across processes and, on a shared file system with locks, across nodes:
    the others wait, and one of them takes over if the trainer dies, since its lock dies with it.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def load(self, key: str) -> Artifact | None:
        """The cached model on the CPU; None if it is absent, truncated or altered."""
        try:
            description = json.loads((self.root / f"{key}.json").read_bytes())
            weights = (self.root / f"{key}.pt").read_bytes()
            if hashlib.sha256(weights).hexdigest() != description["sha256"]:
                return None
            state = torch.load(io.BytesIO(weights), weights_only=True, map_location="cpu")
            return Artifact(key, state, TrainingRecord(**description["record"]))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            return None

    def get(
        self,
        key: str,
        train: Callable[[], tuple[dict[str, torch.Tensor], TrainingRecord]],
        on_wait: Callable[[], None] = lambda: None,
    ) -> Artifact:
        """The cached model, or the one `train` returns, stored for everybody else.

        `on_wait` is called once if another process is training it already.
        """
        found = self.load(key)
        if found is not None:
            return found
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
        try:
            return self.load(key) or self._store(Artifact(key, *train()))
        finally:
            lock.release()

    def _store(self, artifact: Artifact) -> Artifact:
        buffer = io.BytesIO()
        torch.save(artifact.state, buffer)
        weights = buffer.getvalue()
        description = {
            "sha256": hashlib.sha256(weights).hexdigest(),
            "record": asdict(artifact.record),
        }
        # The description last: without it the weights do not count.
        self._write(f"{artifact.key}.pt", weights)
        self._write(f"{artifact.key}.json", json.dumps(description, indent=1).encode())
        return artifact

    def _write(self, name: str, content: bytes) -> None:
        partial = self.root / f".{name}.{os.getpid()}"
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.root / name)
