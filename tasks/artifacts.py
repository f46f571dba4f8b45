"""A content-addressed cache of trained models. Each is trained once, for all processes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tasks.storage.roots import open_root

DAMAGE = (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError)
"""What a damaged description raises."""


@dataclass(frozen=True)
class TrainingRecord:
    """The cost of training a cached model."""

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
    busy_seconds: float | None = None
    """CPU seconds, or device seconds; see Stopwatch. None for models that were trained before 0.2.0."""


Trained = tuple[dict[str, torch.Tensor], TrainingRecord | None]
"""Weights, and what their training cost if that is known."""


@dataclass(frozen=True)
class Artifact:
    """The weights of a trained model and the record of its training."""

    key: str
    state: dict[str, torch.Tensor]
    record: TrainingRecord | None
    """None of weights that were given: nobody knows what their training cost."""


class ArtifactCache:
    """A cache of trained models under a storage root.

    `<root>/<key>-<SHA-256>.pt` holds the weights. `<root>/<key>.json` holds the SHA-256 of the weights,
    the record of the training and the SHA-256 of the record.

    One process at a time trains a model, across processes and, on a shared storage, across nodes. The
    others wait. If the trainer dies, its lock ends and one of them takes over. If a trainer presumed
    dead finishes after all, the model stored first is kept.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = root
        self._storage = open_root(root)

    def load(self, key: str) -> Artifact | None:
        """Return the cached model on the CPU; None if it is absent, truncated or altered."""
        try:
            description = json.loads(self._storage.read(f"{key}.json") or b"")
            weights = self._storage.read(_weights_file(key, description["sha256"])) or b""
            if hashlib.sha256(weights).hexdigest() != description["sha256"]:
                return None
            record = description["record"]
            if description.get("record_sha256", _digest(record)) != _digest(record):
                return None  # earlier versions stored no checksum of the record
            state = torch.load(io.BytesIO(weights), weights_only=True, map_location="cpu")
            return Artifact(key, state, None if record is None else TrainingRecord(**record))
        except DAMAGE:
            return None

    def get(
        self,
        key: str,
        train: Callable[[Callable[[], bool]], Trained | None],
        on_wait: Callable[[], None] = lambda: None,
    ) -> Artifact:
        """Return the cached model, or train and store it.

        `train` receives a function that tells whether another process has taken over. In that case
        `train` may return None, and this process waits for the other. `on_wait` is called once if
        another process is already training the model.
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

    def drop(self, key: str) -> bool:
        """Delete a cached model; return whether there was one."""
        text = self._storage.read(f"{key}.json")
        if text is None:
            return False
        self._storage.delete(f"{key}.json")  # first: weights without a description are ignored
        with contextlib.suppress(*DAMAGE):  # of a damaged description the model is lost already
            self._storage.delete(_weights_file(key, json.loads(text)["sha256"]))
        return True

    def _store(self, artifact: Artifact) -> Artifact:
        buffer = io.BytesIO()
        torch.save(artifact.state, buffer)
        weights = buffer.getvalue()
        digest = hashlib.sha256(weights).hexdigest()
        record = None if artifact.record is None else asdict(artifact.record)
        description = {"sha256": digest, "record": record, "record_sha256": _digest(record)}
        content = json.dumps(description, indent=1).encode()
        file, described = _weights_file(artifact.key, digest), f"{artifact.key}.json"
        # The description is written last: weights without a description are ignored.
        self._storage.write(file, weights)
        if not self._storage.create(described, content):
            first = self.load(artifact.key)
            if first is not None:
                return first
            self._storage.write(described, content)
        return artifact


def _weights_file(key: str, digest: str) -> str:
    """Return the name of a weights file. Two trainings share it only if their weights are equal."""
    return f"{key}-{digest[:16]}.pt"


def _digest(record: dict[str, Any] | None) -> str:
    """Return the SHA-256 of a record, independent of the layout of its JSON."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
