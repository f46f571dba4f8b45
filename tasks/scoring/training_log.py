"""What a model says of each training example, epoch by epoch while it is trained."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.outputs import Outputs

LAST = 5
"""Epochs at the end of a training whose losses are averaged."""


class TrainingLog:
    """Means over the epochs of a training, each (N,) in the order of the training split."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = {}
        self._losses: list[np.ndarray] = []
        self._epochs = 0

    def add(self, seen: Outputs) -> None:
        """Add the outputs after one epoch, read in evaluation mode without augmentation."""
        for name, values in read_epoch(seen).items():
            self._sums[name] = self._sums.get(name, 0.0) + values
        self._losses = [*self._losses, seen.losses][-LAST:]
        self._epochs += 1

    def means(self) -> dict[str, np.ndarray]:
        """Return the means over all epochs by name, and "loss", the mean over the last ones."""
        found = {name: values / self._epochs for name, values in self._sums.items()}
        return found | {"loss": np.mean(self._losses, 0)}


def read_epoch(seen: Outputs) -> dict[str, np.ndarray]:
    """Read, per example: p of the label, the highest p, the entropy in nats, and 1 for a right answer."""
    p = seen.probabilities
    logs = np.log(np.maximum(p, np.finfo(float).tiny))
    return {
        "confidence": p[np.arange(len(p)), seen.labels],
        "max-confidence": p.max(1),
        "entropy": -(p * logs).sum(1),
        "accuracy": seen.correct.astype(float),
    }


def measure_error(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute ‖p − onehot(y)‖₂ (N,) of probabilities (N, classes): EL2N of one model (Paul et al., 2021)."""
    wrong = probabilities.astype(np.float64)
    wrong[np.arange(len(labels)), labels] -= 1
    return np.linalg.norm(wrong, axis=1)
