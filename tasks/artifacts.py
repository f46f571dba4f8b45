"""A content-addressed cache of trained models: trained once, whoever asks, whoever dies."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tasks.storage.roots import storage_at


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


Trained = tuple[dict[str, torch.Tensor], TrainingRecord]


@dataclass(frozen=True)
class Artifact:
    """The weights of a trained model and how they came about."""

    key: str
    state: dict[str, torch.Tensor]
    record: TrainingRecord


class ArtifactCache:
    """`<root>/<key>-<SHA-256>.pt` holds the weights, `<root>/<key>.json` their SHA-256, the record and its own.

    One trainer at a time across processes and, on a storage that nodes share, across nodes: the
    others wait, and one of them takes over if the trainer dies, since its lock dies with it. Of a
    trainer that was only thought dead and its successor the first one's model stays.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = root
        self._storage = storage_at(root)

    def load(self, key: str) -> Artifact | None:
        """The cached model on the CPU; None if it is absent, truncated or altered."""
        try:
            description = json.loads(self._storage.read(f"{key}.json") or b"")
            weights = self._storage.read(_weights_file(key, description["sha256"])) or b""
            if hashlib.sha256(weights).hexdigest() != description["sha256"]:
                return None
            record = description["record"]
            if description.get("record_sha256", _digest(record)) != _digest(record):
                return None  # earlier versions had no checksum of it
            state = torch.load(io.BytesIO(weights), weights_only=True, map_location="cpu")
            return Artifact(key, state, TrainingRecord(**record))
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            return None

    def get(
        self,
        key: str,
        train: Callable[[Callable[[], bool]], Trained | None],
        on_wait: Callable[[], None] = lambda: None,
    ) -> Artifact:
        """The cached model, or the one `train` returns, stored for everybody else.

        `train` is given a function that says whether another process has taken over; then it may
        return None, and that one is waited for. `on_wait` is called once if another process is
        training it already.
        """
        while True:
            found = self.load(key)
            if found is not None:
                return found
            with self._storage.lock(f"{key}.lock", on_held=on_wait) as is_taken:
                found = self.load(key)
                if found is not None:
                    return found
                trained = train(is_taken)
                if trained is not None:
                    return self._store(Artifact(key, *trained))

    def _store(self, artifact: Artifact) -> Artifact:
        buffer = io.BytesIO()
        torch.save(artifact.state, buffer)
        weights = buffer.getvalue()
        digest = hashlib.sha256(weights).hexdigest()
        record = asdict(artifact.record)
        description = {"sha256": digest, "record": record, "record_sha256": _digest(record)}
        content = json.dumps(description, indent=1).encode()
        file, described = _weights_file(artifact.key, digest), f"{artifact.key}.json"
        # The description last: without it the weights do not count.
        self._storage.write(file, weights)
        if not self._storage.create(described, content):
            first = self.load(artifact.key)
            if first is not None:
                return first
            self._storage.write(described, content)
        return artifact


def _weights_file(key: str, digest: str) -> str:
    """A name that two trainings have in common only if they gave the same."""
    return f"{key}-{digest[:16]}.pt"


def _digest(record: dict[str, Any]) -> str:
    """The SHA-256 of a record, however its JSON is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
