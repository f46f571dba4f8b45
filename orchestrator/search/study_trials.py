"""Optuna's trials from rows: a trial for each last row, and one for each point on the way to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from orchestrator.results.objectives import Objective
from orchestrator.results.rows import sum_own_seconds
from tasks.search_space import EPOCHS, Domain

Row = Mapping[str, Any]
TRAJECTORY_OF, TRIAL_ID = "trajectory_of", "trial_id"
"""User attributes: of a point, the trial that it belongs to; of a proposed trial, its own id."""
WORST = 1e9
"""By how much a row without a value misses a limit: JSON has no infinity."""
EARLIEST = datetime.min.replace(tzinfo=UTC)


class FinishedTrial(FrozenTrial):
    """A trial that nobody changes any more, so that a storage may keep it without a copy.

    To copy them took three quarters of the time in which the studies of a long sweep are built.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> FinishedTrial:
        return self


@dataclass(frozen=True)
class TrialMaker:
    """Makes the trials of one unlearner's study."""

    objective: Objective
    domains: Mapping[str, Domain]
    space: dict[str, BaseDistribution]
    """The domains as Optuna spells them."""
    notes: dict[str, Any]
    """What the sampler is to find noted with a stored trial."""
    unstored: Mapping[str, Any] = field(default_factory=dict)
    """Searched hyper-parameters that a row leaves out at this value."""

    def trial(self, last: Row) -> FinishedTrial:
        """Make a trial from its last stored row, without the hyper-parameters that no domain has.

        The domains may have been edited since the trial ran.
        """
        stored = {**self.unstored, **json.loads(last["params"] or "{}")}
        params = {n: stored[n] for n, d in self.domains.items() if n in stored and stored[n] in d}
        state, values = self.outcome(last)
        trial = _finished(
            last,
            state=state,
            values=values,
            params=params,
            distributions=self._distributions(params),
            user_attrs={TRIAL_ID: last["trial_id"]},
            system_attrs=dict(self.notes),
        )
        self.note_limits(trial, last)
        return trial

    def note_limits(self, trial: Trial | FrozenTrial, row: Row) -> None:
        """Tell a trial by how much its row misses each limit of the objective: samplers read it there."""
        for limit in self.objective.required:
            trial.set_constraint(str(limit), min(limit.measure_excess(row), WORST))

    def outcome(self, last: Row) -> tuple[TrialState, Sequence[float] | None]:
        """Return the state and the values that a last row stands for: FAIL without finite values."""
        values = self.objective.values(last) if last["state"] == "complete" else None
        if values is not None:
            return TrialState.COMPLETE, values
        return TrialState.PRUNED if last["state"] == "pruned" else TrialState.FAIL, None

    def points(self, trial: FrozenTrial, rows: Sequence[Row]) -> Iterator[FinishedTrial]:
        """Make a complete trial of each earlier point of a trial that a sampler might have proposed.

        Of a pruned trial the last point is one too: the trial itself has no result.
        """
        epochs = self.domains.get(EPOCHS)
        if epochs is None:
            return
        for row in rows if rows[-1]["state"] == "pruned" else rows[:-1]:
            values = self.objective.values(row)
            if row["epoch"] not in epochs or values is None:
                continue
            params = {**trial.params, EPOCHS: row["epoch"]}
            point = _finished(
                row,
                state=TrialState.COMPLETE,
                values=values,
                params=params,
                distributions=self._distributions(params),
                user_attrs={TRAJECTORY_OF: trial.user_attrs[TRIAL_ID]},
                system_attrs={},
            )
            self.note_limits(point, row)
            yield point

    def _distributions(self, params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        if len(params) == len(self.space):
            return self.space
        return {name: self.space[name] for name in params}


def in_order(finished: Sequence[Sequence[Row]]) -> list[Sequence[Row]]:
    """Sort trials by when they ended, then by id: each driver's study has them in the same order."""
    return sorted(finished, key=lambda rows: (_ended(rows[-1]) or EARLIEST, rows[-1]["trial_id"]))


def _finished(row: Row, **content: Any) -> FinishedTrial:
    """Make a trial whose numbers its storage will choose, and whose times are local, as Optuna's are."""
    ended = (_ended(row) or datetime.now(UTC)).astimezone().replace(tzinfo=None)
    took = timedelta(seconds=sum_own_seconds(row))
    return FinishedTrial(
        number=-1,
        trial_id=-1,
        value=None,
        datetime_start=ended - took,
        datetime_complete=ended,
        intermediate_values={},
        **content,
    )


def _ended(row: Row) -> datetime | None:
    """Return when the row's trial ended; a row that a worker has just sent does not say."""
    ended: datetime | None = row.get("finished_at")
    return ended
