"""The Ray Tune searcher over the studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune.search import Searcher

from orchestrator.results.objectives import FrontRule
from orchestrator.search.allocation import Allocation
from orchestrator.search.study import UnlearnerStudy
from orchestrator.worker.known_front import KNOWN, NOTHING, KnownFront
from tasks.errors import UNWRITABLE, StorageFault

Row = Mapping[str, Any]


class StudySearch(Searcher):
    """Hands Tune the next trial of the unlearner that the `allocation` chooses.

    `left` are the trials to be run, by unlearner, of the task with this key. `on_crash` gives the rows
    of a trial whose worker died for good; `on_told` is called with the rows of each trial that has
    ended: what the store has of it. With a `rule`, each worker is told the front of its trial's method;
    `fronts` are those of the trials that ended before.
    """

    def __init__(
        self,
        studies: Sequence[UnlearnerStudy],
        left: Mapping[str, int],
        task_key: str,
        on_crash: Callable[[Mapping[str, Any]], Sequence[Row]],
        on_told: Callable[[Sequence[Row]], None] = lambda rows: None,
        allocation: Allocation | None = None,
        rule: FrontRule | None = None,
        fronts: Mapping[str, KnownFront] | None = None,
    ) -> None:
        super().__init__()
        self._allocation = allocation or Allocation()
        self._rule, self._fronts = rule, dict(fronts or {})
        self._on_crash, self._on_told = on_crash, on_told
        self._studies = {study.unlearner: study for study in studies}
        self._left, self._task_key = dict(left), task_key
        self.running: dict[str, dict[str, Any]] = {}
        """Trials, by Tune's id."""
        self.failure: str | None = None
        """Why the sweep cannot go on, if so: Tune swallows what is raised here."""

    @property
    def left(self) -> int:
        """Trials that are still to be proposed."""
        return sum(self._left.values())

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's configuration, or FINISHED; None while the sweep cannot go on."""
        if self.failure:
            return None
        chosen = self._allocation.choose(self._left)
        if chosen is None:
            return Searcher.FINISHED
        trial = self._studies[chosen].ask(self._task_key)
        self._left[chosen] -= 1
        self.running[trial_id] = trial
        return trial if self._rule is None else {**trial, KNOWN: self._known(chosen)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study what the trial's rows say; where none could be stored, the sweep ends."""
        trial = self.running.get(trial_id)
        result = {} if error or result is None else result
        self.failure = self.failure or result.get("unstored")
        if trial is None or self.failure:
            return
        try:
            rows = result.get("rows") or self._on_crash(trial)
        except UNWRITABLE as failure:
            self.failure = str(failure)
            return
        self._studies[trial["unlearner"]].tell(trial["trial_id"], rows)
        if self._rule is not None:
            joined = self._known(trial["unlearner"]).join(rows, self._rule)
            self._fronts[trial["unlearner"]] = joined
        del self.running[trial_id]
        self._allocation.note(trial["unlearner"], rows)
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
