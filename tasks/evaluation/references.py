"""What models that never saw the forget set say of every split: the measure of forgetting."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SPLITS = ("retain", "forget", "validation", "test")
ARRAYS = (*SPLITS, "busy_seconds", "verification")


@dataclass(frozen=True, eq=False)
class ReferenceOutputs:
    """Logits float32 (K, N, classes) of K references on each split, in the splits' own order."""

    retain: np.ndarray
    forget: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    busy_seconds: np.ndarray = field(default_factory=lambda: np.array([np.nan]))
    """What the training of each took, (K,): see tasks.compute.meters.Stopwatch; nan where it is unknown."""
    verification: np.ndarray = field(default_factory=lambda: np.full((1, 2), np.nan))
    """How well the features of each identify forgotten persons, (K, 2): see verify_halves; nan where none are."""

    @property
    def mean_busy_seconds(self) -> float:
        """The mean over the references; nan if one is unknown."""
        return float(self.busy_seconds.mean())

    def __len__(self) -> int:
        return len(self.forget)

    def to_bytes(self) -> bytes:
        """Write the arrays as one `.npz`, behind a line with its SHA-256."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: getattr(self, name) for name in ARRAYS})
        content = buffer.getvalue()
        return hashlib.sha256(content).hexdigest().encode() + b"\n" + content

    @classmethod
    def from_bytes(cls, stored: bytes | None) -> ReferenceOutputs | None:
        """Read what `to_bytes` wrote; None if it is absent, truncated or altered."""
        digest, _, content = (stored or b"").partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        try:
            with np.load(io.BytesIO(content)) as arrays:
                return cls(**{name: arrays[name] for name in ARRAYS})
        except (KeyError, ValueError, zipfile.BadZipFile):
            return None

    @classmethod
    def joined(cls, parts: Sequence[ReferenceOutputs]) -> ReferenceOutputs:
        """Put the references of all `parts` behind each other."""
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in ARRAYS})


def mean_of_others(values: np.ndarray) -> np.ndarray:
    """For each of K ≥ 2 references the mean over the other K − 1; `values` and result (K, …)."""
    return (values.sum(0) - values) / (len(values) - 1)
