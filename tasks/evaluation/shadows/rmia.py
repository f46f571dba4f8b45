"""RMIA: is an example likelier, against models that never saw it, than others of the population are?

Source: Zarifzadeh et al., Low-cost high-power membership inference attacks, 2024.
"""

from __future__ import annotations

import numpy as np

GAMMA = 1.0
OFFLINE_SLOPE = 0.3
"""a of the offline mean; tuned in the paper on a reference that is treated as the target, never on the target."""


def population_mean(p_out: np.ndarray, slope: float = OFFLINE_SLOPE) -> np.ndarray:
    """Estimate p̄ (N,) from the label probabilities (K, N) of models that never saw the examples.

    p̄ = ½ ((1 + a) · mean p_out + (1 − a)), at least (1 − a) / 2.
    """
    return ((1 + slope) * p_out.mean(0) + (1 - slope)) / 2


def online_mean(p_in: np.ndarray, p_out: np.ndarray) -> np.ndarray:
    """Estimate p̄ (N,) from models that saw the examples (K, N) and from models that did not (K', N)."""
    return (p_in.mean(0) + p_out.mean(0)) / 2


def rmia_scores(ratios: np.ndarray, population: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
    """Compute the share of population examples z with ratio(x) / ratio(z) > γ, for each x.

    `ratios` (N,) and `population` (M,) are p / p̄ of the attacked model; the result (N,) is in [0, 1].
    """
    return np.searchsorted(np.sort(population) * gamma, ratios, "left") / len(population)


def attack_each_online(
    phi: np.ndarray, seen: np.ndarray, never: np.ndarray, population: np.ndarray
) -> np.ndarray:
    """Attack each of M models with the others as references: scores (M, N), nan where it has neither role.

    `phi` (M, N) are log odds of the label, `population` (M, V) those at examples that no model saw. The masks
    (M, N) say which models saw an example, and which never did; each example needs two of either.
    """
    from scipy.special import (
        expit,
    )  # the command line, which only lists metrics, gets by without SciPy

    p, beyond = expit(phi), expit(population)
    inside, outside = np.where(seen, p, np.nan), np.where(never, p, np.nan)
    found = np.full(p.shape, np.nan)
    for target in range(len(p)):
        rest = np.arange(len(p)) != target
        sides = (np.nanmean(part[rest], axis=0, keepdims=True) for part in (inside, outside))
        judged = seen[target] | never[target]
        ratios = p[target] / online_mean(*sides)
        others = beyond[target] / population_mean(beyond[rest])
        found[target, judged] = rmia_scores(ratios, others)[judged]
    return found
