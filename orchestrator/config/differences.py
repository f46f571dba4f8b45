"""Which settings decide what a sweep finds, so that none may change while it goes on."""

from __future__ import annotations

from typing import Any

DECIDING = (
    "task",
    "unlearners",
    "set",
    "trials",
    "budget",
    "first",
    "warm_start",
    "allocation",
    "objective",
    "require",
    "sampler",
    "model",
    "recipe",
    "original_hash",
    "label_column",
    "image_size",
    "seed",
    "cost_limit",
    "references",
    "calibration",
    "metrics",
    "confirms",
    "points",
)


def list_differences(before: Any, now: Any) -> list[str]:
    """Return one text per setting that affects the results and differs between two SweepConfigs."""
    return [
        f"{name} was {getattr(before, name)!r}, now {getattr(now, name)!r}"
        for name in DECIDING
        if getattr(before, name) != getattr(now, name)
    ]
