"""Trials in the order in which they are proposed."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import FIFOScheduler


class InOrder(FIFOScheduler):
    """First in, first out, which Tune does by itself with every trial that is pending.

    Its own scheduler looks for one among all trials, those that have ended too, at every step.
    """

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None: no trial is to be preferred."""
