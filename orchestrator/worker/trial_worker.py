"""A warm worker: it keeps imports, data and models in place from trial to trial."""

from __future__ import annotations

from typing import Any

from orchestrator.results.objectives import FrontRule
from orchestrator.results.rows import Row
from orchestrator.worker.call import fold, unfold
from orchestrator.worker.early_stopping import Limits
from orchestrator.worker.runner import TrialRunner
from orchestrator.worker.settings import WorkerSettings


class TrialWorker:
    """Runs calls of trials one after another in a process; their rows are on the disk before a call is answered.

    It knows no Ray Tune, whose import takes a second. On a private cluster it is the actor itself, and has the
    methods by which Tune's driver calls its trainables; see `UnlearningTrial` for the others.
    """

    runner_class: type[TrialRunner] = TrialRunner
    """What runs a trial."""

    def __init__(
        self, settings: WorkerSettings, shared: Row, limits: Limits, rule: FrontRule | None = None
    ) -> None:
        """Begin a process; see TrialRunner."""
        self._runner = self.runner_class(settings, shared, limits, rule)
        self._ready = False

    def run(self, config: dict[str, Any]) -> dict[str, Any]:
        """Run each trial of the call `config`, and hand what the driver needs of them on; get ready first.

        A process has one call more, its first, of which nothing is done: what it builds for all of its trials is no
        trial's time. Raises UnfitNode on a node that can run none: the worker ends, and the call runs elsewhere.
        """
        call = unfold(config)
        if not self._ready:
            failed = self._runner.get_ready(call[0])
            self._ready = failed is None
            return self._runner.settle() or failed or {"done": False}
        answers: list[dict[str, Any]] = []
        for trial in call:
            answers.append(self._runner.run(trial))
            if "unstored" in answers[-1]:
                return answers[-1]
        return self._runner.settle() or fold(answers)

    def get_auto_filled_metrics(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return nothing: Tune's driver would keep a dozen numbers of each trial, 39 KB, that nobody reads."""
        return {}

    def stop(self) -> None:
        """Let the process end."""
        self._runner.finish()
