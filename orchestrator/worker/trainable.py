"""The trainable: a warm worker that keeps imports, data and models in place from trial to trial."""

from __future__ import annotations

from typing import Any

from ray import tune

from orchestrator.results.objectives import FrontRule
from orchestrator.results.rows import Row
from orchestrator.worker.call import fold, unfold
from orchestrator.worker.early_stopping import Limits
from orchestrator.worker.runner import TrialRunner
from orchestrator.worker.settings import WorkerSettings


class UnlearningTrial(tune.Trainable):
    """A single step runs whole trials, in most calls one; their rows are on the disk before it ends.

    A step per point would cost the driver some milliseconds for each, and nothing reads them there.
    A process has one step more, its first: what it builds for all of its trials is no trial's time.
    """

    runner_class: type[TrialRunner] = TrialRunner
    """What runs a trial."""

    def setup(
        self,
        config: dict[str, Any],
        settings: WorkerSettings | None = None,
        shared: Row | None = None,
        limits: Limits | None = None,
        rule: FrontRule | None = None,
    ) -> None:
        """Begin the first call of this process; see TrialRunner."""
        assert settings is not None
        assert shared is not None
        assert limits is not None
        self._runner = self.runner_class(settings, shared, limits, rule)
        self._ready = False
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another call in this process."""
        self._call = unfold(new_config)
        return True

    def run(self, config: dict[str, Any]) -> dict[str, Any]:
        """Run the call `config`: see `step`. Tune itself would first reset the worker by another call."""
        self.reset_config(config)
        return self.train()

    def get_auto_filled_metrics(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return nothing: Tune's driver would keep a dozen numbers of each trial, 39 KB, that nobody reads."""
        return {}

    def step(self) -> dict[str, Any]:
        """Run each trial of the call, and hand what the driver needs of them on; get ready first.

        Raises UnfitNode on a node that can run none: the worker ends, and the call runs elsewhere.
        """
        if not self._ready:
            failed = self._runner.get_ready(self._call[0])
            self._ready = failed is None
            return self._runner.settle() or failed or {"done": False}
        answers: list[dict[str, Any]] = []
        for trial in self._call:
            answers.append(self._runner.run(trial))
            if "unstored" in answers[-1]:
                return answers[-1]
        return self._runner.settle() or fold(answers)

    def cleanup(self) -> None:
        """Let the process end."""
        self._runner.finish()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial that is cut short is run again from its start."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""
