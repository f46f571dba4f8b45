"""The loss histograms of a page: what a loss attack sees before unlearning, after it, and of retrained models."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.reporting.page.content import SweepContent

WIDE, HIGH = 300.0, 110.0
"""Units of a picture; the page stretches it."""
TITLES = {
    "original": "before: the original",
    "recommended": "after: the recommended point",
    "retrained": "retrained models",
}


@dataclass(frozen=True)
class Histogram:
    """One model's losses as two outlines over one axis, in units of the picture."""

    title: str
    forgotten: str
    held_out: str
    overlap: float
    """The share that both sides have in common: 1 leaves a loss attack a guess."""


def draw_losses(content: SweepContent) -> list[Histogram]:
    """Draw the histograms if they are of the point that the sweep recommends now; nothing else."""
    row, found = content.front.recommended, content.losses
    if row is None or found is None:
        return []
    if (found["trial_id"], found["epoch"]) != (row["trial_id"], row["epoch"]):
        return []
    models: dict[str, Any] = found["models"]
    top = max((max(side) for model in models.values() for side in model.values()), default=1.0)
    return [_draw(TITLES[name], models[name], top) for name in TITLES if name in models]


def hint_at_losses(content: SweepContent) -> str:
    """Say how to get the histograms, which the rows of a sweep do not hold."""
    if content.front.recommended is None:
        return "There is no recommended point whose losses could be shown."
    where = (
        ""
        if content.config.storage == SweepConfig().storage
        else f" --storage {shlex.quote(content.config.storage)}"
    )
    return (
        f"Rows hold no losses. To show them, the recommended trial runs again, once: orchestrator report {content.name}"
        f"{where} --losses"
    )


def list_ticks(content: SweepContent) -> list[tuple[float, str]]:
    """List where the decades of the loss stand, in percent of the width, with their words."""
    if content.losses is None:
        return []
    edges = content.losses["edges"]
    low, high = edges[0], edges[-1]
    return [
        (100 * (decade - low) / (high - low), f"{10.0**decade:g}")
        for decade in range(round(low) + 1, round(high), 2)
    ]


def _draw(title: str, shares: dict[str, list[float]], top: float) -> Histogram:
    sides = shares["forgotten"], shares["held_out"]
    overlap = sum(map(min, *sides))
    return Histogram(title, _outline(sides[0], top), _outline(sides[1], top), overlap)


def _outline(shares: list[float], top: float) -> str:
    """Return the path of a histogram as steps, from the ground to the ground."""
    step, x, parts = WIDE / len(shares), 0.0, [f"M0,{HIGH:g}"]
    for share in shares:
        parts.append(f"V{HIGH - (HIGH - 4) * share / top:.1f}H{x + step:.1f}")
        x += step
    return "".join([*parts, f"V{HIGH:g}Z"])
