"""LiRA, U-LiRA and RULI: is a model's signal likelier from models that saw an example, or from others?

The signal is φ = log p_y − log(1 − p_y), one number for each model and example. Below 64 models a side one
deviation for all examples is better than one each: with 8 models offline the AUC is within .015 of the best.
Sources: Carlini et al., 2022; Hayes et al. (U-LiRA), 2025; Naderloui et al. (RULI), 2025.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.evaluation.statistics import auc

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Signals (N,), those of models that saw the examples (K, N), and that did not (K', N): scores (N,)."""
LEAST_SPREAD = 1e-12


def score_online(model: np.ndarray, seen: np.ndarray, never: np.ndarray) -> np.ndarray:
    """Compute log N(φ; μ_in, σ_in) − log N(φ; μ_out, σ_out) of each example: positive as if seen.

    Entries that are nan are left out: which models saw an example differs.
    """
    return _log_density(model, seen) - _log_density(model, never)


def score_offline(model: np.ndarray, seen: np.ndarray, never: np.ndarray) -> np.ndarray:
    """Compute (φ − μ_out) / σ_out of each example, from models that never saw it; `seen` is not read."""
    mean, spread = _moments(never)
    return (model - mean) / spread


def score_u_lira(model: np.ndarray, seen: np.ndarray, never: np.ndarray) -> np.ndarray:
    """Compute p_f / (p_f + p_n) of each example: `seen` are models that saw and unlearned it. In [0, 1]."""
    difference = score_online(model, seen, never)
    return 1 / (1 + np.exp(-np.clip(difference, -500, 500)))


def attack_each(
    phi: np.ndarray, seen: np.ndarray, never: np.ndarray, score: Score, outside: np.ndarray | None = None
) -> np.ndarray:  # fmt: skip
    """Attack each of M models with the others as shadows: scores (M, N), nan where it has neither role.

    `phi` (M, N) are the signals; the masks `seen` and `never` (M, N) say which models count on which side.
    With `outside` (M, N) models that never saw an example are read from there: before unlearning.
    """
    other = phi if outside is None else outside
    found = np.full(phi.shape, np.nan)
    inside = np.where(seen, phi, np.nan)
    beyond = np.where(never, other, np.nan)
    for target in range(len(phi)):
        rest = np.arange(len(phi)) != target
        signal = np.where(never[target], other[target], phi[target])
        scores = score(signal, inside[rest], beyond[rest])
        judged = seen[target] | never[target]
        found[target, judged] = scores[judged]
    return found


def measure_auc(scores: np.ndarray, seen: np.ndarray, never: np.ndarray) -> float:
    """Rank the scores of (model, example) pairs that were seen among those that never were: ½ is a guess."""
    return auc(scores[seen], scores[never])


def bootstrap_auc(
    scores: np.ndarray, seen: np.ndarray, never: np.ndarray, rng: np.random.Generator, draws: int = 200
) -> tuple[float, float]:  # fmt: skip
    """Compute the 95 % interval of `measure_auc` over draws of models, then of examples.

    Examples of one model share its luck: they are no independent draws.
    """
    models, examples = scores.shape
    found = []
    for _ in range(draws):
        rows, columns = rng.integers(0, models, models), rng.integers(0, examples, examples)
        chosen = np.ix_(rows, columns)
        if seen[chosen].any() and never[chosen].any():
            found.append(measure_auc(scores[chosen], seen[chosen], never[chosen]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _moments(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Compute each example's mean, and one deviation for all: Σ (φ − μ_i)² / Σ (K_i − 1)."""
    known = np.isfinite(values)
    counts = known.sum(0)
    mean = np.where(known, values, 0).sum(0) / counts
    squares = np.where(known, values - mean, 0) ** 2
    return mean, max(float(np.sqrt(squares.sum() / (counts - 1).sum())), LEAST_SPREAD)


def _log_density(model: np.ndarray, values: np.ndarray) -> np.ndarray:
    mean, spread = _moments(values)
    return -(((model - mean) / spread) ** 2) / 2 - np.log(spread)
