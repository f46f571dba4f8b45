"""Durations and progress in words."""

from __future__ import annotations


def spell_duration(seconds: float) -> str:
    """Return seconds as a short text: "40 s", "5 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def spell_epochs(done: float, total: int) -> str:
    """Return how far a training is: "epoch 3/8" after an epoch, "3.4 of 8 epochs" within one."""
    whole = float(done).is_integer()
    return f"epoch {done:.0f}/{total}" if whole else f"{done:.1f} of {total} epochs"
