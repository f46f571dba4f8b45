"""The influence of every training example on the loss of one other example (Koh and Liang, 2017, equation 2)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from tasks.datasets.splits import Batch, Split
from tasks.errors import Diverged
from tasks.influence.objective import Objective, cross_entropies
from tasks.influence.solver import Report, Solver
from tasks.models.network import Network


def training_objective(model: Network, split: Split) -> Objective:
    """Return the mean loss that trained `model`, as a function of its weights; it is in evaluation mode then.

    It computes in float32, whatever the precision of the training was.
    """
    model.eval()
    model.compute_dtype = torch.float32
    return Objective(model, split, partial(cross_entropies, smoothing=model.recipe.label_smoothing))


def influence_scores(
    objective: Objective,
    example: Batch,
    solver: Solver,
    damping: float,
    report: Report,
    *,
    curvature: Split | None = None,
) -> Tensor:
    """Compute the influence (N,) of each example of the objective on the loss of `example`, a batch of one.

    (1/N) ∇ℓᵀ (G + λI)⁻¹ ∇ℓ_i, with G the Gauss-Newton matrix of the objective on the split `curvature`
    [default: the objective's own]. That is, to first order, how much the loss of `example` would rise if i
    were left out of the training. The sign is that of removing an example; Koh and Liang's equation
    2 adds one. `example` has the plain cross-entropy or the objective's loss without smoothing.

    Raises Diverged if a score is not finite.
    """
    target = objective.gradient(*example)
    measured = replace(objective, split=curvature or objective.split)
    solution = solver.solve(measured, target, damping, report)
    scores = objective.dot_gradients(solution) / len(objective.split)
    if not scores.isfinite().all():
        raise Diverged("the influence is not finite: a larger damping may help")
    return scores
