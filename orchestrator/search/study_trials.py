"""Optuna's trials from rows: a trial for each last row.

The points on the way to it are rows, and may lie on the front, but no sampler is told of them: they taught samplers to
stop early, which is cheap, before anything is forgotten (docs/performance.md, Search).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from orchestrator.results.objectives import Objective
from orchestrator.results.rows import sum_own_seconds
from tasks.search_space import EPOCHS, Domain

Row = Mapping[str, Any]
END_OF, TRIAL_ID = "end_of", "trial_id"
"""User attributes: of the last point of a pruned trial, that trial; of a proposed trial, its own id."""
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
    unstored: Mapping[str, Any] = field(default_factory=dict)
    """What a row has of a searched hyper-parameter that it leaves out."""

    def trial(self, last: Row) -> FinishedTrial:
        """Make a trial from its last stored row, without the hyper-parameters that no domain has.

        The domains may have been edited since the trial ran.
        """
        stored = {**self.unstored, **json.loads(last["params"])} if last["params"] else {}
        params = {n: stored[n] for n, d in self.domains.items() if n in stored and stored[n] in d}
        state, values = self.outcome(last)
        trial = _finished(
            last,
            state=state,
            values=values,
            params=params,
            distributions=self._distributions(params),
            user_attrs={TRIAL_ID: last["trial_id"]},
            system_attrs={},
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

    def measured_end(self, trial: FrozenTrial, last: Row) -> FinishedTrial | None:
        """Make a complete trial of the last point of a pruned one, which itself has no values.

        None of another trial, without values, and for a number of epochs that a sampler could not propose.
        """
        epochs = self.domains.get(EPOCHS)
        if last["state"] != "pruned" or epochs is None or last["epoch"] not in epochs:
            return None
        values = self.objective.values(last)
        if values is None:
            return None
        params = {**trial.params, EPOCHS: last["epoch"]}
        point = _finished(
            last,
            state=TrialState.COMPLETE,
            values=values,
            params=params,
            distributions=self._distributions(params),
            user_attrs={END_OF: trial.user_attrs[TRIAL_ID]},
            system_attrs={},
        )
        self.note_limits(point, last)
        return point

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
