"""The training recipe of the original and the retrained model: one per model family."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum and a triangular learning-rate schedule."""

    epochs: int
    """Passes over the training split."""
    batch_size: int
    """Examples per step."""
    lr: float
    """Peak learning rate, for the mean loss of a batch."""
    momentum: float = 0.9
    """Nesterov momentum."""
    weight_decay: float = 5e-4
    """L2 penalty, added to the gradient."""
    warmup: float = 0.2
    """Share of the steps over which the rate climbs to its peak."""
    label_smoothing: float = 0.0
    """Changes confidences, hence membership inference: the same for original and retrained."""
    bias_factor: float = 1.0
    """Factor on the learning rate of normalisation layers' biases."""
    lookahead: bool = False
    """True if slow weights follow the fast weights, which return to them every few steps."""

    def lr_at(self, step: int, total: int) -> float:
        """Return the learning rate of step `step` (from 0) of `total`: linear to the peak, then to zero."""
        peak = max(1, int(total * self.warmup))
        if step < peak:
            return self.lr * (step + 1) / peak
        return self.lr * (total - step) / (total - peak)
