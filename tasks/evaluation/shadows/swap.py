"""The SWAP test: an attack on unlearning that a retrained model passes by construction.

Train and unlearn with a forget set F and a test set T, then again with the roles swapped. Source: Tu et al., 2025.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Arm(NamedTuple):
    """What an attack said of the forgotten and of the unseen examples, 1 where it says member: (N,) each."""

    forgotten: np.ndarray
    unseen: np.ndarray


def swap_advantage(first: Arm, swapped: Arm) -> float:
    """Compute ½ |Σ over both arms of (share of forgotten − share of unseen taken for members)|, in [0, 1].

    The unseen examples of one arm are the forgotten ones of the other. An attack that reads the images and
    not the model has 0. Either sign of a difference counts: what is less often taken for a member is told too.
    """
    return abs(sum(float(arm.forgotten.mean() - arm.unseen.mean()) for arm in (first, swapped))) / 2


def swap_over_models(taken: np.ndarray, forgotten: np.ndarray, unseen: np.ndarray) -> float:
    """Compute the same over M models in which N examples change their roles: |mean over examples of a difference|.

    The difference is that of the shares of models that take an example for a member, bool (M, N): among those
    that unlearned it, and among those that never saw it. An attack that reads the images alone has 0.
    """
    shares = (np.where(side, taken, 0).sum(0) / side.sum(0) for side in (forgotten, unseen))
    return abs(float(np.subtract(*shares).mean()))
