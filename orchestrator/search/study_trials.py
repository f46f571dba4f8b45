"""The trials in a study: those that were proposed, and the points of their trajectories beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, create_trial

from tasks.search_space import EPOCHS

Row = Mapping[str, Any]
TRAJECTORY_OF, TRIAL_ID = "trajectory_of", "trial_id"
"""User attributes: of a point, the trial that it belongs to; of a proposed trial, its own id."""


def id_of(unlearner: str, number: int) -> str:
    """What the trial of this number in the study of `unlearner` is called everywhere else."""
    return f"{unlearner}-{number:04d}"


def number_of(trial_id: str) -> int:
    """The trial's number in its study: its id is UNLEARNER-NUMBER."""
    return int(trial_id.rsplit("-", 1)[1])


def trials_of(study: optuna.Study) -> list[FrozenTrial]:
    """All of them, points too, by number; not to be changed."""
    return study.get_trials(deepcopy=False)


def proposed(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were proposed, and what stands for one that was lost."""
    return [trial for trial in trials_of(study) if TRAJECTORY_OF not in trial.user_attrs]


def told_points(study: optuna.Study) -> Mapping[str, set[int]]:
    """The epochs of each trial's trajectory that the study knows."""
    told: dict[str, set[int]] = defaultdict(set)
    for point in trials_of(study):
        if TRAJECTORY_OF in point.user_attrs:
            told[point.user_attrs[TRAJECTORY_OF]].add(point.params[EPOCHS])
    return told


def point_of(trial: FrozenTrial, trial_id: str, epoch: int, values: Sequence[float]) -> FrozenTrial:
    """A point of an anytime trial's trajectory, as a trial of that many epochs."""
    return create_trial(
        params={**trial.params, EPOCHS: epoch},
        distributions=trial.distributions,
        values=list(values),
        user_attrs={TRAJECTORY_OF: trial_id},
    )
