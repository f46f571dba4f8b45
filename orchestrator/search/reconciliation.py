"""A study brought in line with the store, which alone knows what was run: its files have checksums."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.results.objectives import Objective
from orchestrator.search.study_trials import (
    TRAJECTORY_OF,
    TRIAL_ID,
    Row,
    id_of,
    number_of,
    trials_of,
)
from tasks.search_space import EPOCHS

Stored = Mapping[str, Sequence[Row]]
"""The rows of each trial of the study's method that has ended, in order of epoch."""
NOBODYS = ""
"""Stands for the trial that a damaged entry belongs to, which cannot be known."""


class Reconciliation:
    """What a study of `unlearner` says, held against what the store has of it.

    `points` are those of a trial's rows that are told as points of its trajectory.
    """

    def __init__(
        self,
        storage: BaseStorage,
        unlearner: str,
        space: Mapping[str, BaseDistribution],
        objective: Objective,
        points: Callable[[Sequence[Row]], Sequence[Row]],
    ) -> None:
        self._storage, self._unlearner, self._space = storage, unlearner, space
        self._objective, self._points = objective, points

    def contradicted(self, study: optuna.Study, stored: Stored) -> set[str]:
        """Ids of trials of which the study says what the store does not.

        Their rows were lost, or the study was altered by a bad disk.
        """
        wrong, told, ended = set(), defaultdict(set), set()
        for trial in trials_of(study):
            owner, is_point = self._owner(trial, stored), TRAJECTORY_OF in trial.user_attrs
            if not is_point and not trial.state.is_finished():
                continue
            rows = stored.get(owner, ())
            if not rows and (_stands_in(trial) or trial.params.keys() != self._space.keys()):
                continue  # it was cut off while it was proposed, and closed without having run
            if not any(self._says(trial, row) for row in (rows if is_point else rows[-1:])):
                wrong.add(owner)
            elif is_point:
                told[owner].add(trial.params[EPOCHS])
            else:
                ended.add(owner)
        for trial_id in ended:
            if told[trial_id] != {row["epoch"] for row in self._points(stored[trial_id])}:
                wrong.add(trial_id)
        return wrong

    def directed(self, study: optuna.Study) -> bool:
        """Whether it is searched in the directions of the objective."""
        return [d.name.lower() for d in study.directions] == self._objective.directions

    def reopen(self, study: optuna.Study, wrong: Collection[str], stored: Stored) -> None:
        """Make the study anew with these trials as if they were running, and without their points.

        Optuna changes nothing about a trial that has ended. All others stay, and keep their numbers;
        the parameters of those that are stored are left to `add_lost`.
        """
        name, trials = study.study_name, trials_of(study)
        optuna.delete_study(study_name=name, storage=self._storage)
        fresh = optuna.create_study(
            study_name=name, storage=self._storage, directions=self._objective.directions
        )
        for trial in trials:
            owner = self._owner(trial, stored)
            is_point = TRAJECTORY_OF in trial.user_attrs
            is_open = not is_point and not trial.state.is_finished()
            known = {} if owner in stored else trial.params
            if (is_open or owner not in wrong) and _added(fresh, trial):
                continue
            if not is_point and owner != NOBODYS and _added(fresh, _opened(trial, owner, known)):
                continue
            fresh.add_trial(create_trial(state=TrialState.FAIL))

    def add_lost(self, study: optuna.Study, stored: Stored) -> None:
        """Add stored trials at their own numbers, as running; complete those cut off while proposed."""
        params = {number_of(name): json.loads(rows[-1]["params"]) for name, rows in stored.items()}
        for number in range(len(trials_of(study)), max(params, default=-1) + 1):
            state = TrialState.RUNNING if number in params else TrialState.FAIL
            study.add_trial(create_trial(state=state))
        for trial in trials_of(study):
            if trial.state.is_finished():
                continue
            if TRIAL_ID not in trial.user_attrs:
                trial_id = id_of(self._unlearner, trial.number)
                self._storage.set_trial_user_attr(trial._trial_id, TRIAL_ID, trial_id)
            for name, value in params.get(trial.number, {}).items():
                domain = self._space.get(name)
                if domain is not None and name not in trial.params:
                    internal = domain.to_internal_repr(value)
                    if domain._contains(internal):  # it may have been edited before a resume
                        self._storage.set_trial_param(trial._trial_id, name, internal, domain)

    def _owner(self, trial: FrozenTrial, stored: Stored) -> str:
        """The id of the trial, or of that whose point it is."""
        if TRAJECTORY_OF in trial.user_attrs:
            return str(trial.user_attrs[TRAJECTORY_OF])
        own = id_of(self._unlearner, trial.number)
        return own if TRIAL_ID in trial.user_attrs or own in stored else NOBODYS

    def _says(self, trial: FrozenTrial, row: Row) -> bool:
        """Whether the row is the one that a trial that has ended, or a point, was told."""
        is_point = TRAJECTORY_OF in trial.user_attrs
        params = json.loads(row["params"]) | ({EPOCHS: row["epoch"]} if is_point else {})
        # Against its row, not against today's space, which may have been edited before a resume.
        needed = {name for name in params if name in self._space}
        if not needed <= trial.params.keys() <= params.keys():
            return False
        if any(not same(value, params[name]) for name, value in trial.params.items()):
            return False
        own = id_of(self._unlearner, trial.number)
        if not is_point and trial.user_attrs.get(TRIAL_ID) != own:
            return False
        counts = is_point or row["state"] == "complete"
        values = self._objective.values(row) if counts else None
        if trial.state != _state(row, values):
            return False
        if values is None or trial.values is None:
            return values is None and trial.values is None
        return all(map(same, trial.values, values))


def _added(study: optuna.Study, trial: FrozenTrial) -> bool:
    """Add it, unless a bad disk made of it what Optuna does not take."""
    try:
        study.add_trial(trial)
    except ValueError:
        return False
    return True


def _opened(trial: FrozenTrial, owner: str, params: Mapping[str, Any]) -> FrozenTrial:
    """The trial as if it were running, with some of its parameters."""
    opened = create_trial(state=TrialState.RUNNING, user_attrs={TRIAL_ID: owner})
    opened.distributions = {name: trial.distributions[name] for name in params}
    opened.params = dict(params)  # only now: that it fits is checked where it is added
    return opened


def _state(row: Row, values: Sequence[float] | None) -> TrialState:
    """That of the trial, or point, that was told this row and these values."""
    if values is not None:
        return TrialState.COMPLETE
    return TrialState.PRUNED if row["state"] == "pruned" else TrialState.FAIL


def same(told: Any, stored: Any) -> bool:
    """Whether they are equal, but for what a database cuts off a number."""
    if isinstance(told, float) and isinstance(stored, int | float):
        return math.isclose(told, stored, rel_tol=1e-14)
    return bool(told == stored)


def _stands_in(trial: FrozenTrial) -> bool:
    """Whether it only keeps the number of one that was lost."""
    return trial.state == TrialState.FAIL and not trial.user_attrs
