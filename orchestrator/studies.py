"""One Optuna study per unlearner, and the only truth about what was proposed and told."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial

from orchestrator.early_stopping import EPOCHS
from orchestrator.journal import Journal
from orchestrator.known_space import KnownSpace, distribution
from orchestrator.objectives import Objective
from orchestrator.recent import RecentStudy
from orchestrator.samplers import derived_seed, sampler_named
from tasks.search_space import search_space
from tasks.unlearners import unlearner_class

Row = Mapping[str, Any]
TRAJECTORY_OF, TRIAL_ID = "trajectory_of", "trial_id"


class UnlearnerStudy:
    """The study of one unlearner: proposes trials, takes their rows, survives any driver."""

    def __init__(
        self,
        storage: BaseStorage,
        sweep: str,
        unlearner: str,
        objective: Objective,
        sampler: str,
        seed: int,
    ) -> None:
        self.unlearner, self._objective = unlearner, objective
        self._sampler, self._seed = sampler, seed
        self._class = unlearner_class(unlearner)
        domains = search_space(self._class)
        self._space = {name: distribution(domain) for name, domain in domains.items()}
        self._epochs = domains.get(EPOCHS)
        name = f"{sweep}/{unlearner}"
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=objective.directions,
            load_if_exists=True,
        )
        self._proposing = RecentStudy(name, storage)
        self._count: int | None = None
        self._alike = False
        """Whether all trials search the same space: it may have been edited before a resume."""
        self._storage, self._study_id = storage, storage.get_study_id_from_name(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.set_metric_names(list(objective.metrics))

    @property
    def searchable(self) -> bool:
        """Whether there is anything to search; if not, one trial says it all."""
        return bool(self._space)

    @property
    def trial_ids(self) -> set[str]:
        """Every trial that was proposed."""
        return {self._id(t.number) for t in self._trials() if TRAJECTORY_OF not in t.user_attrs}

    def ask(self) -> dict[str, Any]:
        """A new trial: {"trial_id", "unlearner", "params", "seed"}."""
        if self._count is None:
            trials = self._trials()
            self._count = len(trials)
            results = (t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED))
            self._alike = all(t.distributions == self._space for t in results)
        sampler = sampler_named(self._sampler, self._seed, self.unlearner, self._count)
        self._proposing.sampler = KnownSpace(sampler, self._space) if self._alike else sampler
        with self._together(sync=True):
            trial = self._proposing.ask(self._space)
            trial.set_user_attr(TRIAL_ID, self._id(trial.number))
        self._count = trial.number + 1
        return self._proposal(trial)

    def tell(self, trial_id: str, rows: Sequence[Row], *, again: bool = False) -> None:
        """Close a trial with its rows, in order of epoch; told once, however often it is called.

        `again`: a driver may have died half-way through telling this trial.

        A failed trial, or one with a value that is not finite, is told as FAIL. The earlier points
        of an anytime method's trajectory become further complete trials, also if it failed later;
        so do all points of a trial that was pruned, which itself is told as PRUNED: it has no
        result at its last epoch.
        """
        number = number_of(trial_id)
        # Straight from the storage: a list of all trials would take longer the longer the sweep.
        known = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        trial = self._storage.get_trial(known)
        if trial.state.is_finished():
            return
        told = self._told_points(trial_id) if again else set()
        pruned = rows[-1]["state"] == "pruned"
        with self._together(sync=False):  # the store has the rows: see `recover`
            for row in rows if pruned else rows[:-1]:
                if row["epoch"] not in told:
                    self._tell_point(trial, row)
            self._close(number, rows[-1])

    def _close(self, number: int, last: Row) -> None:
        values = self._objective.values(last) if last["state"] == "complete" else None
        if values is not None:
            self._study.tell(number, list(values))
        else:
            pruned = last["state"] == "pruned"
            self._study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)

    def recover(self, finished: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
        """Bring the study in line with the store, which knows what was run.

        Closes trials that a dead driver left running but a worker finished, and adds those that a
        damaged journal has lost. Returns the proposals that have no rows, to be run again.
        """
        self._add_lost(finished)
        self._count = None
        again = []
        for trial in self._trials():
            trial_id = self._id(trial.number)
            if TRAJECTORY_OF in trial.user_attrs:
                continue
            if trial_id in finished:
                self.tell(trial_id, finished[trial_id], again=True)
            elif trial.params.keys() == self._space.keys():
                again.append(self._proposal(trial))
            elif not trial.state.is_finished():  # its driver died while it was being proposed
                self._study.tell(trial.number, state=TrialState.FAIL)
        return again

    def _add_lost(self, finished: Mapping[str, Sequence[Row]]) -> None:
        """Add stored trials at their own numbers, as running; complete those cut off while proposed."""
        stored = {
            number_of(trial_id): json.loads(rows[-1]["params"])
            for trial_id, rows in finished.items()
            if rows[-1]["unlearner"] == self.unlearner
        }
        for number in range(len(self._trials()), max(stored, default=-1) + 1):
            state = TrialState.RUNNING if number in stored else TrialState.FAIL
            self._study.add_trial(create_trial(state=state))
        for trial in self._trials():
            if trial.state.is_finished():
                continue
            if TRIAL_ID not in trial.user_attrs:
                self._storage.set_trial_user_attr(trial._trial_id, TRIAL_ID, self._id(trial.number))
            for name, value in stored.get(trial.number, {}).items():
                domain = self._space.get(name)
                if domain is not None and name not in trial.params:
                    internal = domain.to_internal_repr(value)
                    self._storage.set_trial_param(trial._trial_id, name, internal, domain)

    def _proposal(self, trial: optuna.trial.FrozenTrial | optuna.Trial) -> dict[str, Any]:
        trial_id = self._id(trial.number)
        return {
            "trial_id": trial_id,
            "unlearner": self.unlearner,
            "params": self._class.from_params(trial.params).params,
            "seed": derived_seed(self._seed, trial_id),
        }

    def _together(self, *, sync: bool) -> AbstractContextManager[None]:
        """Writes that belong together; a database commits each by itself."""
        if isinstance(self._storage, Journal):
            return self._storage.together(sync=sync)
        return nullcontext()

    def _id(self, number: int) -> str:
        return f"{self.unlearner}-{number:04d}"

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _told_points(self, trial_id: str) -> set[int]:
        points = (t for t in self._trials() if t.user_attrs.get(TRAJECTORY_OF) == trial_id)
        return {point.params[EPOCHS] for point in points}

    def _tell_point(self, trial: optuna.trial.FrozenTrial, row: Row) -> None:
        values = self._objective.values(row)
        if values is None or self._epochs is None or row["epoch"] not in self._epochs:
            return
        point = create_trial(
            params={**trial.params, EPOCHS: row["epoch"]},
            distributions=trial.distributions,
            values=list(values),
            user_attrs={TRAJECTORY_OF: self._id(trial.number)},
        )
        self._study.add_trial(point)
        self._count = None if self._count is None else self._count + 1


def number_of(trial_id: str) -> int:
    """The trial's number in its study: its id is UNLEARNER-NUMBER."""
    return int(trial_id.rsplit("-", 1)[1])
