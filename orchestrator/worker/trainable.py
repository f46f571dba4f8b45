"""The worker as Ray Tune's trainable, on a cluster where Tune starts it."""

from __future__ import annotations

from typing import Any

from ray import tune

from orchestrator.worker.trial_worker import TrialWorker


class UnlearningTrial(tune.Trainable):
    """A single step runs whole trials, in most calls one.

    A step per point would cost the driver some milliseconds for each, and nothing reads them there.
    """

    worker_class: type[TrialWorker] = TrialWorker
    """What runs the calls."""

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        """Begin the first call of this process; TrialWorker is `given` the others."""
        self._worker = self.worker_class(**given)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another call in this process."""
        self._call = new_config
        return True

    def run(self, config: dict[str, Any]) -> dict[str, Any]:
        """Run the call `config`: see `step`. Tune itself would first reset the worker by another call."""
        self.reset_config(config)
        return self.train()

    def step(self) -> dict[str, Any]:
        """Run the call; raise as TrialWorker does."""
        return self._worker.run(self._call)

    def get_auto_filled_metrics(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return nothing, as TrialWorker does."""
        return {}

    def cleanup(self) -> None:
        """Let the process end."""
        self._worker.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: a trial that is cut short is run again from its start."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: see `save_checkpoint`."""
