"""Is this the unlearned model, or one that was retrained? An attack on the predictions.

The attacker sees one label that was drawn from the model's prediction at a forgotten example. Its best
advantage is the total variation of the two predictions: one minus their overlap.
"""

from __future__ import annotations

import functools

import numpy as np

from tasks.evaluation.attacks.advantages import Advantages
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut
from tasks.evaluation.predictions import probabilities


@functools.lru_cache(maxsize=2)  # several metrics of one model read the same attack
def identity(evaluation: Evaluation, half: HeldOut) -> Advantages | None:
    """Attack the model's identity at a half's forgotten examples; total variation is the advantage.

    Where whole classes are forgotten, held-out images of them count as well: a class that is only
    unlearned on its training images is not unlearned. None without references.
    """
    found = probabilities(evaluation, half)
    if found is None:
        return None
    model = _total_variation(found.model, found.means)
    references = _total_variation(found.references, found.means)
    return Advantages(evaluation.mean_over_references(model), float(references.mean()))


def _total_variation(p: np.ndarray, means: np.ndarray) -> np.ndarray:
    """(K,): 1 − the mean overlap of predictions (…, N, classes) with those of `means` (K, N, classes)."""
    return 1 - np.minimum(p, means).sum(-1).mean(-1)


@metric(half="test", best="references", needs="references")
def identity_advantage(evaluation: Evaluation) -> float | None:
    """Measure how well predictions at forgotten examples (and at test images of forgotten classes) are
    told from those of the references: total variation, in [0, 1].
    """
    found = identity(evaluation, "test")
    return found.model if found else None


@metric(half="validation", best="references", needs="references")
def validation_identity_advantage(evaluation: Evaluation) -> float | None:
    """Measure identity_advantage on the other half of the forget set, and on validation images."""
    found = identity(evaluation, "validation")
    return found.model if found else None
