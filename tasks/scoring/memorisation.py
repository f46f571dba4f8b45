"""Which models see which training example, and how far what they say of it shows that it is memorised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK, LEFT_OUT = 10, 3
"""Of each ten models three never see an example: a model is trained on 70 %, as by Feldman and Zhang, 2020."""


@dataclass(frozen=True, eq=False)
class Memorisation:
    """What models that saw an example, and models that never did, say of each of N examples."""

    scores: np.ndarray
    """P(right | seen) − P(right | never seen), estimated: (N,) in [−1, 1]. See `measure_memorisation`."""
    unseen_confidence: np.ndarray
    """Mean probability (N,) of the label by the models that never saw the example."""


def draw_seen(examples: int, seed: int) -> np.ndarray:
    """Draw which of BLOCK models see which example: boolean (BLOCK, examples).

    Each example is left out by exactly LEFT_OUT models, whatever becomes of the others. A model's share
    of the examples is BLOCK − LEFT_OUT of BLOCK, give or take chance.
    """
    column = np.arange(BLOCK) >= LEFT_OUT
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(column[:, None], (1, examples)), axis=0)


def read_memorisation(
    correct: np.ndarray, confidence: np.ndarray, seen: np.ndarray
) -> Memorisation:
    """Read the memorisation from whether M models are right, and from their p of the label: each (M, N).

    `seen` (M, N) says which model saw which example.
    """
    return Memorisation(measure_memorisation(correct, seen), _mean_where(confidence, ~seen))


def measure_memorisation(correct: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Estimate P(right | seen) − P(right | never seen) of each example: (N,) in [−1, 1].

    `correct` (M, N) says whether the models got the examples right, `seen` (M, N) which they were
    trained on. Source: Feldman and Zhang, What neural networks memorize and why, 2020, eq. 1.
    """
    return _mean_where(correct, seen) - _mean_where(correct, ~seen)


def bound_error(models: int) -> float:
    """Bound the standard error of a score that so many models estimate; blocks of BLOCK each.

    That of P₁ − P₀ is √(P₁(1 − P₁)/seen + P₀(1 − P₀)/unseen): largest where both are 1/2.
    """
    unseen = models * LEFT_OUT / BLOCK
    return float(np.sqrt(0.25 / (models - unseen) + 0.25 / unseen))


def _mean_where(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.where(mask, values, 0).sum(0) / mask.sum(0)
    return found
