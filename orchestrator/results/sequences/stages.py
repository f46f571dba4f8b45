"""From what each request led to, to the matrix of the whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.results.sequences.matrix import ForgettingMatrix

if TYPE_CHECKING:
    from tasks.sequences.course import Stage


def make_matrix(unlearner: str, groups: Sequence[str], stages: Sequence[Stage]) -> ForgettingMatrix:
    """Gather the accuracies and the costs of all stages; `groups` are the names of what they measured."""
    task, before = stages[0].task, stages[0].before
    count = len(stages[0].references)
    references = [[before] * count, *(stage.references for stage in stages)]
    retrains = np.array([stage.retrain_flops for stage in stages])
    shares = [stage.point.cost.relative_cost for stage in stages]
    # A point's cost is a share of the retrains so far.
    total = np.array(shares) * retrains.cumsum()
    return ForgettingMatrix(
        task=task.name,
        unlearner=unlearner,
        requests=task.requests,
        groups=tuple(groups),
        model=np.array([before, *(stage.accuracies for stage in stages)]),
        references=np.array(references, float).reshape(len(stages) + 1, count, len(groups)),
        costs=np.diff(total, prepend=0.0),
        retrains=retrains,
    )
