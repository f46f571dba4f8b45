"""One Optuna study per unlearner: in memory, made of the stored rows, and fed while the sweep runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from orchestrator.results.objectives import Objective
from orchestrator.results.rows import trial_key
from orchestrator.search.fast_proposals import (
    Generations,
    KnownSpace,
    RecentStudy,
    distribution,
)
from orchestrator.search.first.points import BY_SAMPLER, FirstPoint
from orchestrator.search.narrowing import narrow_space
from orchestrator.search.samplers import derived_seed, fixed, sampler_named
from orchestrator.search.study_trials import TRIAL_ID, Row, TrialMaker, in_order
from tasks.unlearners import unlearner_class

DRAWS = 10
"""Times that a sampler draws a trial, at most, while what it draws is one of the first points."""
KEY_DIGITS = 12
"""Of a trial's content key, in its id."""
RESULTS = TrialState.COMPLETE, TrialState.PRUNED
"""States of trials that samplers learn from."""


class UnlearnerStudy:
    """The study of one unlearner: proposes trials and takes their rows; nothing of it is stored."""

    def __init__(
        self,
        unlearner: str,
        objective: Objective,
        sampler: str,
        seed: int,
        finished: Iterable[Sequence[Row]] = (),
        given: Sequence[Mapping[str, Any]] | None = None,
        assignments: Sequence[str] = (),
        first: Sequence[FirstPoint] = (),
    ) -> None:
        """Begin with the trials of this unlearner among the `finished`: the rows of each, by epoch.

        `given` are the hyper-parameters to propose, one trial after another; else `sampler` does, in the
        space that the `assignments` narrow, once each of the `first` has had a trial.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.unlearner, self.objective = unlearner, objective
        self._sampler, self._seed, self._given = sampler, seed, given
        self._first = list(first)
        """Points that have had no trial yet, as far as is known."""
        self._not_again = [dict(point.values) for point in first]
        """What no sampler is to propose: the table's points came from samplers, some with this very seed."""
        self._class = unlearner_class(unlearner)
        searched = narrow_space(unlearner, assignments, given or ())
        self._fixed = searched.fixed
        self._space = {name: distribution(domain) for name, domain in searched.domains.items()}
        self._maker = TrialMaker(objective, searched.domains, self._space, searched.unstored)
        self._storage = InMemoryStorage()
        directions = [StudyDirection[d.upper()] for d in objective.directions]
        self._study_id = self._storage.create_new_study(directions, unlearner)
        self._study = RecentStudy(unlearner, self._storage)
        self._show: Callable[[FrozenTrial], None] = _show_nobody
        self._running: dict[str, int] = {}
        """Numbers in the study, by trial_id."""
        self._unsearched: dict[str, dict[str, Any]] = {}
        """The other hyper-parameters of stored and of running trials, by trial_id."""
        self._seeds: set[int] = set()
        """Of stored and of running trials."""
        self._next = 0
        """All numbers below have given their seed to a trial."""
        self._add_stored([rows for rows in finished if rows[-1]["unlearner"] == unlearner])

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, and the last points of pruned ones; not to be changed."""
        return self._storage.get_all_trials(self._study_id, deepcopy=False)

    def count_ended(self) -> int:
        """Count the trials that have ended, failed ones included."""
        return sum(t.state.is_finished() and TRIAL_ID in t.user_attrs for t in self.trials)

    def mirror(self, show: Callable[[FrozenTrial], None]) -> None:
        """Call `show` with every trial now, and from now on with each that is new or has changed."""
        self._show = show
        for trial in self.trials:
            show(trial)

    def ask(self, task_key: str) -> dict[str, Any]:
        """Propose a trial of the task: {"trial_id", "unlearner", "params", "seed", "proposed_by"}.

        Its seed, and the sampler's, come from the smallest number that no stored and no running trial
        has. The number of a trial that was cut short is therefore free again.
        """
        while True:
            seed = derived_seed(self._seed, f"{self.unlearner}-{self._next:04d}")
            number, self._next = self._next, self._next + 1
            if seed in self._seeds:
                continue
            chosen, first = self._next_given(), self._next_first()
            trial = self._sampled(number, self._searched(chosen) if chosen else first)
            values = chosen or {**self._fixed, **trial.params}
            params = self._class.from_params(dict(values)).params
            key = trial_key(task_key, self.unlearner, params, seed)
            trial_id = f"{self.unlearner}-{key[:KEY_DIGITS]}"
            if trial_id not in self._unsearched:
                break
            # Stored with another seed by hand: one file cannot hold both.
            self._close(trial.number, TrialState.FAIL, None)
        self._unsearched[trial_id] = self._leave_searched(params)
        self._seeds.add(seed)
        self._running[trial_id] = trial.number
        trial.set_user_attr(TRIAL_ID, trial_id)
        self._show(self._storage.get_trial(self._find(trial.number)))
        proposed = {
            "trial_id": trial_id,
            "unlearner": self.unlearner,
            "params": params,
            "seed": seed,
        }
        by = None if self._given is not None else first.by if first else BY_SAMPLER
        return {**proposed, "proposed_by": by}

    def tell(self, trial_id: str, rows: Sequence[Row]) -> None:
        """Close a running trial with its rows, in order of epoch; any other is left as it is.

        A failed trial, or one with a value that is not finite, is told as FAIL. One that was pruned is told as
        PRUNED; its last point becomes a complete trial.
        """
        number = self._running.pop(trial_id, None)
        if number is None:
            return
        if self.objective.required:
            self._maker.note_limits(optuna.Trial(self._study, self._find(number)), rows[-1])
        trial = self._close(number, *self._maker.outcome(rows[-1]))
        self._show(trial)
        self._add_end(trial, rows[-1])

    def _add_stored(self, finished: Sequence[Sequence[Row]]) -> None:
        generations = Generations(self._study, self._make_sampler)
        for rows in in_order(finished):
            trial = self._maker.trial(rows[-1])
            trial.system_attrs |= generations.note_next(trial.state)
            self._storage.create_new_trial(self._study_id, trial)
            self._add_end(trial, rows[-1])
            params = json.loads(rows[-1]["params"] or "{}")
            self._unsearched[rows[-1]["trial_id"]] = self._leave_searched(params)
            self._seeds.add(rows[-1]["seed"])
        results = (t for t in self.trials if t.state in RESULTS)
        self._alike = all(t.params.keys() == self._space.keys() for t in results)
        """Whether all trials search the same space: it may have been edited before a resume."""

    def _add_end(self, trial: FrozenTrial, last: Row) -> None:
        point = self._maker.measured_end(trial, last)
        if point is not None:
            self._storage.create_new_trial(self._study_id, point)
            self._show(point)

    def _sampled(self, number: int, chosen: Mapping[str, Any] | FirstPoint | None) -> optuna.Trial:
        values = chosen.values if isinstance(chosen, FirstPoint) else chosen
        if values is not None:
            self._study.sampler = fixed(values, self._make_sampler(number))
            return self._study.ask(self._space)
        trial = self._draw(number)
        for again in range(1, DRAWS):
            if trial.params not in self._not_again:
                break
            self._close(trial.number, TrialState.FAIL, None)
            trial = self._draw(number, again)
        return trial

    def _draw(self, *parts: int) -> optuna.Trial:
        sampler = self._make_sampler(*parts)
        self._study.sampler = KnownSpace(sampler, self._space) if self._alike else sampler
        return self._study.ask(self._space)

    def _make_sampler(self, *parts: int) -> BaseSampler:
        """Make the sampler of a trial by its number, and of a repeated draw by the number of that too."""
        return sampler_named(self._sampler, self._seed, self.unlearner, *parts)

    def _next_given(self) -> Mapping[str, Any]:
        """Return the first of the given that no stored and no running trial has; empty if none are given."""
        left = list(self._given or ())
        for trial in self.trials:
            same = [params for params in left if self._searched(params) == trial.params]
            if TRIAL_ID in trial.user_attrs and same:
                # Of those that differ in an option alone, the trial is the one that has its options.
                others = self._unsearched[trial.user_attrs[TRIAL_ID]]
                left.remove(min(same, key=partial(self._count_differing, others)))
        return left[0] if left else {}

    def _count_differing(self, others: Mapping[str, Any], params: Mapping[str, Any]) -> int:
        own = self._leave_searched(params)
        return sum(own.get(name) != others.get(name) for name in own.keys() | others.keys())

    def _next_first(self) -> FirstPoint | None:
        """Return the first of the first points that no stored and no running trial has; None if all are tried."""
        while self._first:
            tried = [t.params for t in self.trials if TRIAL_ID in t.user_attrs]
            if self._given is None and dict(self._first[0].values) not in tried:
                return self._first[0]
            del self._first[0]
        return None

    def _searched(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of a trial's hyper-parameters that are searched."""
        whole = {**self._maker.unstored, **params}
        return {name: whole[name] for name in self._space}

    def _leave_searched(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of a trial's hyper-parameters that are not searched, such as options."""
        return {name: value for name, value in params.items() if name not in self._space}

    def _close(self, number: int, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        known = self._find(number)
        self._storage.set_trial_state_values(known, state, values)
        return self._storage.get_trial(known)

    def _find(self, number: int) -> int:
        """Return the storage's id of a trial of the study."""
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def _show_nobody(trial: FrozenTrial) -> None:
    """Where nobody looks."""
