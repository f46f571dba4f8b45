"""The losses of forgotten and of held-out examples as two histograms: the picture beside the loss attack."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.references import ReferenceOutputs
from tasks.evaluation.samples import sample_of

BINS = 30
EDGES = np.linspace(-6, 2, BINS + 1)
"""Decades of the cross-entropy in nats; what lies beyond is counted in the first and in the last bin."""

Shares = dict[str, list[float]]
"""By side, forgotten and held_out, the share of the examples in each bin."""


def bin_losses(losses: np.ndarray) -> list[float]:
    """Give the share of losses (N,) in each bin, from the lowest; they add up to 1."""
    decades = np.log10(np.maximum(losses, 10.0 ** EDGES[0])).clip(EDGES[0], EDGES[-1])
    counts, _ = np.histogram(decades, EDGES)
    return [round(float(count) / len(losses), 5) for count in counts]


def describe_losses(seen: Evaluation) -> Shares:
    """Bin the losses of the reported half of the forget set, and of test examples of the same classes, as many."""
    sample = sample_of(seen, "test")
    return _describe(seen.forget.losses[sample.members], seen.test.losses[sample.others])


def describe_references(seen: Evaluation, references: ReferenceOutputs) -> Shares:
    """Bin the losses of all references at the same examples; `seen` gives the labels."""
    sample = sample_of(seen, "test")

    def read(logits: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        return np.concatenate([Outputs(each, labels).losses[chosen] for each in logits])

    return _describe(
        read(references.forget, seen.forget.labels, sample.members),
        read(references.test, seen.test.labels, sample.others),
    )


def _describe(forgotten: np.ndarray, held_out: np.ndarray) -> Shares:
    return {"forgotten": bin_losses(forgotten), "held_out": bin_losses(held_out)}
