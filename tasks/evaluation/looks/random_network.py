"""Does the model guess like a network that learned nothing? A legacy number: a retrained model does not."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.looks.images import SEED
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, outputs
from tasks.evaluation.statistics import js_divergence


@metric(half="none", best="references", needs="model")
def zrf(evaluation: Evaluation) -> float | None:
    """Give 1 - the Jensen-Shannon divergence of predictions on the forget set from a random network's.

    The zero-retrain-forgetting score, in [0, 1]. The ideal is a reference's value, not 1: a higher one is
    over-unlearning. Source: Chundawat et al., 2023; bits and a mean over examples, as a divergence has.
    """
    import torch

    inside = evaluation.inside
    if inside is None:
        return None

    def predict() -> np.ndarray:
        rng = torch.Generator().manual_seed(SEED)
        network = inside.make_blank()
        network.initialise(inside.retain.sample(100, rng), rng)
        return outputs(network, inside.forget).probabilities

    key = "random_network", "predictions"
    if key not in inside.known:
        inside.known[key] = predict()
    return 1 - float(js_divergence(evaluation.forget.probabilities, inside.known[key]).mean())
