"""The Ray Tune searcher over the studies: an equal budget per unlearner, interleaved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.exceptions import StorageInternalError
from ray.tune.search import Searcher

from orchestrator.search.study import UnlearnerStudy
from tasks.errors import UNWRITABLE, StorageFault

Row = Mapping[str, Any]

UNTOLD = (*UNWRITABLE, StorageInternalError)
"""What a study raises whose storage fails: the last, one in a database."""


class StudySearch(Searcher):
    """Hands Tune the next trial of the unlearner that is furthest behind.

    Keeps nothing of its own that matters: a trial's Tune id is mapped to its id in the study, and
    the studies and the store are the truth. `left` are the trials to be run, by unlearner; `again`
    are proposals whose run was cut short: they come first. `on_crash` gives the rows of a trial
    whose worker died for good; `on_told` is called with the rows of each trial that its study was told
    of: what the store has of it.
    """

    def __init__(
        self,
        studies: Sequence[UnlearnerStudy],
        left: Mapping[str, int],
        again: Sequence[dict[str, Any]],
        on_crash: Callable[[Mapping[str, Any]], Sequence[Row]],
        on_told: Callable[[Sequence[Row]], None] = lambda rows: None,
    ) -> None:
        super().__init__()
        self._on_crash, self._on_told = on_crash, on_told
        self._studies = {study.unlearner: study for study in studies}
        self._left = dict(left)
        self._again = list(again)
        self.running: dict[str, dict[str, Any]] = {}
        self.failure: str | None = None
        """Why the sweep cannot go on, if so: Tune swallows what is raised here."""

    @property
    def left(self) -> int:
        """Trials that are still to be proposed."""
        return sum(self._left.values())

    def suggest(self, trial_id: str) -> Any:
        """The next trial's configuration, or FINISHED; None for now if it cannot be written down."""
        if self.failure:
            return None
        try:
            trial = self._next()
        except UNTOLD as failure:
            self.failure = _reason(failure)
            return None
        if trial is None:
            return Searcher.FINISHED
        self._left[trial["unlearner"]] -= 1
        self.running[trial_id] = trial
        return trial

    def _next(self) -> dict[str, Any] | None:
        while self._again:
            trial = self._again.pop(0)
            if self._left[trial["unlearner"]]:
                return trial
            # Beyond the budget: open, it would keep the sampler away from its neighbourhood.
            self._studies[trial["unlearner"]].tell(trial["trial_id"], [{"state": "failed"}])
        furthest = max(self._left, key=lambda name: self._left[name])
        return self._studies[furthest].ask() if self._left[furthest] else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study what the trial's rows say; a trial without rows stays open, to be run again.

        So does one that the study could not be told of.
        """
        trial = self.running.get(trial_id)
        result = {} if error or result is None else result
        self.failure = self.failure or result.get("unstored")
        if trial is None or self.failure:
            return
        try:
            rows = result.get("rows") or self._on_crash(trial)
            self._studies[trial["unlearner"]].tell(trial["trial_id"], rows)
            del self.running[trial_id]
            self._on_told(rows)
        except UNTOLD as failure:
            self.failure = _reason(failure)

    def check(self) -> None:
        """Raises StorageFault if the storage cannot be written any more."""
        if self.failure:
            raise StorageFault(self.failure)

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Tune's metric, mode and space have no say here: the studies have their own."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher to restore it some day; this one is built anew instead."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the studies are on disk already."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


def _reason(failure: Exception) -> str:
    """What the database said, of which Optuna only says that it was there."""
    said = failure.__cause__ if isinstance(failure, StorageInternalError) else None
    return f"--optuna-storage: {str(said).splitlines()[0]}" if said else str(failure)
