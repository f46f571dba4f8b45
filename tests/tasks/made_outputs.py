"""Outputs of models that never were: with given losses, or at random."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.outputs import Evaluation, Outputs


def made(losses: np.ndarray, labels: np.ndarray | None = None, classes: int = 4) -> Outputs:
    """Outputs whose cross-entropies are `losses`: two classes share the probability."""
    labels = np.zeros(len(losses), np.int64) if labels is None else labels
    p = np.exp(-np.asarray(losses, np.float64))
    logits = np.full((len(losses), classes), -1e4)
    rows = np.arange(len(losses))
    logits[rows, labels] = np.log(p)
    logits[rows, (labels + 1) % classes] = np.log1p(-p)
    return Outputs(logits, labels)


def drawn(count: int, scale: float, seed: int) -> np.ndarray:
    """Random losses."""
    return np.random.default_rng(seed).exponential(scale, count) + 1e-3


def evaluation(forgotten: tuple[int, ...] = (), **parts: Outputs) -> Evaluation:
    """An evaluation in which every split is the same, unless said otherwise."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(200) % 4)
    split = Outputs(rng.normal(size=(200, 4)).astype(np.float32), labels)
    whole = {name: split for name in ("retain", "forget", "validation", "test")}
    return Evaluation(**{**whole, **parts}, forgotten_classes=forgotten)
