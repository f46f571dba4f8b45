"""The trials in a study: those that were proposed, and the points of their trajectories beside them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.early_stopping import EPOCHS

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


def told_points(study: optuna.Study, trial_id: str) -> set[int]:
    """The epochs of the trial's trajectory that the study knows."""
    points = (t for t in trials_of(study) if t.user_attrs.get(TRAJECTORY_OF) == trial_id)
    return {point.params[EPOCHS] for point in points}


def point_of(trial: FrozenTrial, trial_id: str, epoch: int, values: Sequence[float]) -> FrozenTrial:
    """A point of an anytime trial's trajectory, as a trial of that many epochs."""
    return create_trial(
        params={**trial.params, EPOCHS: epoch},
        distributions=trial.distributions,
        values=list(values),
        user_attrs={TRAJECTORY_OF: trial_id},
    )


def without_rows(
    study: optuna.Study, unlearner: str, space: Collection[str], stored: Collection[str]
) -> set[str]:
    """Ids of trials that the study was told the results of, or some, and that the store has lost."""
    trials = trials_of(study)
    told = {t.user_attrs[TRAJECTORY_OF] for t in trials if TRAJECTORY_OF in t.user_attrs}
    # One that was cut off while it was proposed was closed without having run.
    ran = (t for t in proposed(study) if t.state.is_finished() and t.params.keys() == set(space))
    told |= {id_of(unlearner, trial.number) for trial in ran if TRIAL_ID in trial.user_attrs}
    return told - set(stored)


def reopen(study: optuna.Study, storage: BaseStorage, lost: Collection[str]) -> None:
    """Make the study anew with these trials as if they were running, and without their points.

    Optuna changes nothing about a trial that has ended. All others stay, and keep their numbers.
    """
    name, directions, trials = study.study_name, study.directions, trials_of(study)
    optuna.delete_study(study_name=name, storage=storage)
    fresh = optuna.create_study(study_name=name, storage=storage, directions=directions)
    for trial in trials:
        if trial.user_attrs.get(TRIAL_ID) in lost:
            trial = create_trial(
                state=TrialState.RUNNING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=trial.user_attrs,
            )
        elif trial.user_attrs.get(TRAJECTORY_OF) in lost:
            trial = create_trial(state=TrialState.FAIL)
        fresh.add_trial(trial)


def add_lost(
    study: optuna.Study,
    storage: BaseStorage,
    unlearner: str,
    space: Mapping[str, BaseDistribution],
    finished: Mapping[str, Sequence[Row]],
) -> None:
    """Add stored trials at their own numbers, as running; complete those cut off while proposed."""
    params = {number_of(name): json.loads(rows[-1]["params"]) for name, rows in finished.items()}
    for number in range(len(trials_of(study)), max(params, default=-1) + 1):
        state = TrialState.RUNNING if number in params else TrialState.FAIL
        study.add_trial(create_trial(state=state))
    for trial in trials_of(study):
        if trial.state.is_finished():
            continue
        if TRIAL_ID not in trial.user_attrs:
            trial_id = id_of(unlearner, trial.number)
            storage.set_trial_user_attr(trial._trial_id, TRIAL_ID, trial_id)
        for name, value in params.get(trial.number, {}).items():
            domain = space.get(name)
            if domain is not None and name not in trial.params:
                internal = domain.to_internal_repr(value)
                storage.set_trial_param(trial._trial_id, name, internal, domain)
