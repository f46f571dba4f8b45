"""The Ray Tune searcher over the studies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune.search import Searcher

from orchestrator.execution.pace import CALL_SECONDS, MOST, Pace, limit_call
from orchestrator.results.objectives import FrontRule
from orchestrator.search.allocation import Allocation
from orchestrator.search.study import UnlearnerStudy
from orchestrator.worker.call import fold, unfold
from orchestrator.worker.known_front import KNOWN, NOTHING, KnownFront
from tasks.errors import UNWRITABLE, StorageFault

Row = Mapping[str, Any]
Trial = dict[str, Any]


class StudySearch(Searcher):
    """Hands Tune the next call of a worker: a trial of the unlearner that the `allocation` chooses, or more.

    `left` are the trials to be run, by unlearner, of the task with this key. `on_crash` is given the
    trials of a call whose worker died for good: it gives the rows of those that ended, in order, and
    those that come after them run again. `on_told` is called with the rows of each trial that has
    ended: what the store has of it. With a `rule`, each worker is told the front of its trial's method;
    `fronts` are those of the trials that ended before. With a `pace`, a call holds several short trials.
    """

    def __init__(
        self,
        studies: Sequence[UnlearnerStudy],
        left: Mapping[str, int],
        task_key: str,
        on_crash: Callable[[Sequence[Trial]], Sequence[Sequence[Row]]],
        on_told: Callable[[Sequence[Row]], None] = lambda rows: None,
        allocation: Allocation | None = None,
        rule: FrontRule | None = None,
        fronts: Mapping[str, KnownFront] | None = None,
        pace: Pace | None = None,
    ) -> None:
        super().__init__()
        self._pace = pace
        self._allocation = allocation or Allocation()
        self._rule, self._fronts = rule, dict(fronts or {})
        self._on_crash, self._on_told = on_crash, on_told
        self._studies = {study.unlearner: study for study in studies}
        self._left, self._task_key = dict(left), task_key
        self.running: dict[str, list[Trial]] = {}
        """The trials of each call, by Tune's id."""
        self._waiting: list[Trial] = []
        """Trials that were proposed, and get a call of their own."""
        self.failure: str | None = None
        """Why the sweep cannot go on, if so: Tune swallows what is raised here."""

    @property
    def left(self) -> int:
        """Trials that no worker has yet."""
        return sum(self._left.values()) + len(self._waiting)

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next call, or FINISHED; None while there may be another one later."""
        if self.failure:
            return None
        call = [self._waiting.pop(0)] if self._waiting else self._next_call()
        if not call:
            may_die = any(len(trials) > 1 for trials in self.running.values())
            return None if may_die else Searcher.FINISHED
        self.running[trial_id] = call
        return fold(call)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the studies what the rows of a call say; where none could be stored, the sweep ends."""
        call = self.running.get(trial_id)
        result = {} if error or result is None else result
        self.failure = self.failure or result.get("unstored")
        if call is None or self.failure:
            return
        try:
            ended = (
                [part["rows"] for part in unfold(result)]
                if result.get("rows")
                else self._on_crash(call)
            )
        except UNWRITABLE as failure:
            self.failure = str(failure)
            return
        del self.running[trial_id]
        self._waiting += call[len(ended) :]
        self._end(call, ended)

    def take_stored(self, stored: Mapping[str, Sequence[Row]]) -> None:
        """Tell what calls that were cut off had `stored` by then: the rows of each ended trial, by its id."""
        for call in self.running.values():
            ended = [trial for trial in call if trial["trial_id"] in stored]
            self._end(ended, [stored[trial["trial_id"]] for trial in ended])

    def _next_call(self) -> list[Trial]:
        """Propose the trials of one call; none if there is none left. Those too long for it wait."""
        if (first := self._propose()) is None:
            return []
        call, seconds = [first], self._expect(first)
        while (
            seconds + self._expect(call[-1]) <= CALL_SECONDS
            and len(call) < limit_call(self.left, len(self.running))
            and len(self._waiting) < MOST
            and (trial := self._propose()) is not None
        ):
            if seconds + self._expect(trial) > CALL_SECONDS:
                self._waiting.append(trial)
            else:
                call.append(trial)
                seconds += self._expect(trial)
        return call

    def _propose(self) -> Trial | None:
        chosen = self._allocation.choose(self._left)
        if chosen is None:
            return None
        trial = self._studies[chosen].ask(self._task_key)
        self._left[chosen] -= 1
        return trial if self._rule is None else {**trial, KNOWN: self._known(chosen)}

    def _expect(self, trial: Trial) -> float:
        return math.inf if self._pace is None else self._pace.expect(trial["unlearner"])

    def _end(self, call: Sequence[Trial], ended: Sequence[Sequence[Row]]) -> None:
        """Take the rows of the first trials of a call, and only then let others know."""
        for trial, rows in zip(call, ended, strict=False):
            unlearner = trial["unlearner"]
            self._studies[unlearner].tell(trial["trial_id"], rows)
            if self._rule is not None:
                self._fronts[unlearner] = self._known(unlearner).join(rows, self._rule)
            if self._pace is not None:
                self._pace.note(unlearner, rows)
            self._allocation.note(unlearner, rows)
        for rows in ended:
            self._on_told(rows)

    def _known(self, unlearner: str) -> KnownFront:
        return self._fronts.get(unlearner, NOTHING)

    def check(self) -> None:
        """Raise StorageFault if the rows of a trial could not be stored."""
        if self.failure:
            raise StorageFault(self.failure)

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Take Tune's metric, mode and space, which have no say here: the studies have their own."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its searcher to restore it some day; this one is built anew."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the rows are stored already."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: see `save`."""
