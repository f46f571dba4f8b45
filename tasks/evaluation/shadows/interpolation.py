"""IAM: how far between never seen and fitted the model lies, by interpolation with a single shadow model.

Source: Wang et al., Has approximate machine unlearning been evaluated properly? (USENIX Security, 2025).
"""

from __future__ import annotations

import numpy as np

STEPS = 100
EULER = 0.5772156649015329


def interpolation_scores(
    model: np.ndarray, original: np.ndarray, shadows: np.ndarray, steps: int = STEPS
) -> np.ndarray:
    """Score each example: 1 as if never seen, 0 as if still fitted; (N,).

    `model` and `original` (N,) and `shadows` (S, N) are φ of the unlearned, of the original and of S ≥ 1
    models that never saw the examples. At each of `steps` mixtures α between shadow and original, a Gumbel
    distribution says how often a model there has less than the model's signal. It rises with every fall
    of the model's signal: over-unlearning scores 1 too, so read it beside share_over_unlearned.
    """
    alphas = np.arange(steps) / steps
    path = shadows[None] + alphas[:, None, None] * (original - shadows)[None]
    means = path.mean(1)
    # One σ for all: of the shadows about their mean, or with a single one of the examples.
    varied = shadows if len(shadows) > 1 else shadows.T
    spread = max(float(np.sqrt(np.var(varied, axis=0, ddof=1).mean())), 1e-12)
    scale = np.sqrt(6) * spread / np.pi
    below = np.exp(-np.exp(-np.clip((model - (means - EULER * scale)) / scale, -500, 500)))
    weights = (alphas + 1 / steps)[:, None]
    return 1 - (weights * below).sum(0) / weights.sum()
