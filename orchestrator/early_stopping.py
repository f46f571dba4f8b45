"""Ending a trial whose accuracy has fallen below what anyone could use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.objectives import STEERING

EPOCHS = "epochs"
"""The hyper-parameter that says how many points an anytime trial has."""


def why_ended(
    metrics: Mapping[str, float | None], epoch: int, params: Mapping[str, Any], floor: float
) -> str | None:
    """Why a trial is ended after this point; None if it goes on, or has no further point anyway.

    `floor` is a validation accuracy on retained classes. Every later point costs more time, so
    one could only join the front by climbing back above the floor.
    """
    accuracy = metrics[STEERING[0]]
    if accuracy is None or accuracy >= floor or epoch >= params.get(EPOCHS, 0):
        return None
    return f"{STEERING[0]} {accuracy:.3f} fell below the floor of {floor:.3f}"
