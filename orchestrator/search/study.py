"""One Optuna study per unlearner, and the only truth about what was proposed and told."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from orchestrator.results.objectives import Objective
from orchestrator.search.journal import Journal
from orchestrator.search.known_space import KnownSpace, distribution
from orchestrator.search.recent_study import RecentStudy
from orchestrator.search.reconciliation import Reconciliation, same
from orchestrator.search.samplers import derived_seed, fixed, sampler_named
from orchestrator.search.study_trials import (
    TRIAL_ID,
    Row,
    id_of,
    number_of,
    point_of,
    proposed,
    told_points,
    trials_of,
)
from tasks.errors import InvalidValue
from tasks.search_space import EPOCHS, search_space
from tasks.unlearners import unlearner_class


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
        given: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """`given` are the hyper-parameters to propose, one trial after another; else `sampler` does."""
        self.unlearner, self._objective = unlearner, objective
        self._sampler, self._seed = sampler, seed
        self._class = unlearner_class(unlearner)
        domains = search_space(self._class)
        self._space = {name: distribution(domain) for name, domain in domains.items()}
        self._epochs = domains.get(EPOCHS)
        self._given = given
        self._storage, self._name = storage, f"{sweep}/{unlearner}"
        self._open()

    def _open(self) -> None:
        name, storage = self._name, self._storage
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=self._objective.directions,
            load_if_exists=True,
        )
        self._proposing = RecentStudy(name, storage)
        self._study_id = storage.get_study_id_from_name(name)
        self._count: int | None = None
        self._alike = False
        """Whether all trials search the same space: it may have been edited before a resume."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.set_metric_names(list(self._objective.metrics))

    @property
    def trial_ids(self) -> set[str]:
        """Every trial that was proposed."""
        return {self._id(trial) for trial in proposed(self._study)}

    def ask(self) -> dict[str, Any]:
        """A new trial: {"trial_id", "unlearner", "params", "seed"}."""
        if self._count is None:
            trials = trials_of(self._study)
            self._count = len(trials)
            results = (t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED))
            self._alike = all(t.distributions == self._space for t in results)
        sampler = sampler_named(self._sampler, self._seed, self.unlearner, self._count)
        if self._given is not None:
            sampler = fixed(self._next_given(self._given), sampler)
        elif self._alike:
            sampler = KnownSpace(sampler, self._space)
        self._proposing.sampler = sampler
        with self._together(sync=True):
            trial = self._proposing.ask(self._space)
            trial.set_user_attr(TRIAL_ID, self._id(trial))
        self._count = trial.number + 1
        return self._proposal(trial)

    def tell(self, trial_id: str, rows: Sequence[Row], told: Collection[int] = ()) -> None:
        """Close a trial with its rows, in order of epoch; told once, however often it is called.

        `told` are the epochs of points that the study knows: a driver died while it told this trial.

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
        with self._together(sync=False):  # the store has the rows: see `recover`
            for row in self._points(rows):
                if row["epoch"] not in told:
                    self._tell_point(trial, row)
            self._close(number, rows[-1])

    def _next_given(self, given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The first that was not proposed, or lost while it was."""
        left = [{name: params[name] for name in self._space} for params in given]
        for trial in proposed(self._study):
            values = trial.params
            if values.keys() == self._space.keys():
                alike = (p for p in left if all(same(values[n], p[n]) for n in self._space))
                found = next(alike, None)
                if found is not None:
                    left.remove(found)
        return left[0]

    def _close(self, number: int, last: Row) -> None:
        values = self._objective.values(last) if last["state"] == "complete" else None
        if values is not None:
            self._study.tell(number, list(values))
        else:
            pruned = last["state"] == "pruned"
            self._study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)

    def recover(self, finished: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
        """Bring the study in line with the store, which knows what was run.

        Closes trials that a dead driver left running but a worker finished, adds those that a
        damaged journal has lost, and reopens those whose rows a damaged store has lost or that the
        journal says otherwise. Returns the proposals that have no rows, to be run again.
        """
        stored = {
            k: rows for k, rows in finished.items() if rows[-1]["unlearner"] == self.unlearner
        }
        held = Reconciliation(
            self._storage, self.unlearner, self._space, self._objective, self._points
        )
        wrong = held.contradicted(self._study, stored)
        with self._together(sync=True):
            if wrong or not held.directed(self._study):
                held.reopen(self._study, wrong, stored)
                self._open()
            held.add_lost(self._study, stored)
        self._count = None
        again, told = [], told_points(self._study)
        for trial in proposed(self._study):
            trial_id = self._id(trial)
            if trial_id in stored:
                self.tell(trial_id, stored[trial_id], told.get(trial_id, ()))
            elif (proposal := self._open_proposal(trial)) is not None:
                again.append(proposal)
            elif not trial.state.is_finished():  # its driver died while it was being proposed
                self._study.tell(trial.number, state=TrialState.FAIL)
        return again

    def _open_proposal(self, trial: FrozenTrial) -> dict[str, Any] | None:
        """What is to be run again; None if it was cut off, or a bad disk altered it."""
        if trial.params.keys() != self._space.keys():
            return None
        try:
            return self._proposal(trial)
        except InvalidValue:
            return None

    def _proposal(self, trial: FrozenTrial | optuna.Trial) -> dict[str, Any]:
        trial_id = self._id(trial)
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

    def _id(self, trial: FrozenTrial | optuna.Trial) -> str:
        return id_of(self.unlearner, trial.number)

    def _points(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that are told as points of a trajectory: those that could have been proposed."""
        pruned = rows[-1]["state"] == "pruned"
        return [
            row
            for row in (rows if pruned else rows[:-1])
            if self._epochs and row["epoch"] in self._epochs and self._objective.values(row)
        ]

    def _tell_point(self, trial: FrozenTrial, row: Row) -> None:
        values = self._objective.values(row)
        assert values is not None
        self._study.add_trial(point_of(trial, self._id(trial), row["epoch"], values))
        self._count = None if self._count is None else self._count + 1
