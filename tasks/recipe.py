"""How the original and the retrained model are trained: one recipe per model family."""

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
    """How much faster the biases of normalisation layers learn."""
    lookahead: bool = False
    """Whether slow weights follow the fast ones, which return to them every few steps."""

    def lr_at(self, step: int, total: int) -> float:
        """Learning rate of step `step` (from 0) of `total`: linear up to the peak, linear to zero."""
        peak = max(1, int(total * self.warmup))
        if step < peak:
            return self.lr * (step + 1) / peak
        return self.lr * (total - step) / (total - peak)
