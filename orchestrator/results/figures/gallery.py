"""One held-out example and the training examples that its loss rests on, as a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.results.figures.plane import FAINT, INK

if TYPE_CHECKING:
    from orchestrator.results.influence import Influence

HELPFUL, HARMFUL = "#1B7F5C", "#B4442F"
COLUMNS = 5
CELL, HEIGHT = 1.25, 1.6
"""Inches of an image with its caption."""


def render_gallery(found: Influence, helpful: np.ndarray, harmful: np.ndarray) -> bytes:
    """Draw the held-out example, and beside it these training examples by index; return a PNG."""
    rows = max(1, -(-max(len(helpful), len(harmful)) // COLUMNS))
    figure = Figure(
        figsize=(CELL * (2 * COLUMNS + 3.4), HEIGHT * max(rows, 2) + 0.9),
        dpi=120,
        facecolor="white",
    )
    left, middle, right = figure.add_gridspec(
        1, 3, width_ratios=(2.2, COLUMNS, COLUMNS), left=0.01, right=0.99, top=0.8, bottom=0.03, wspace=0.1
    )  # fmt: skip
    _draw_question(figure.add_subplot(left), found)
    for spec, chosen, colour, title in (
        (middle, helpful, HELPFUL, "most helpful"),
        (right, harmful, HARMFUL, "most harmful"),
    ):
        cells = spec.subgridspec(max(rows, 2), COLUMNS, wspace=0.12, hspace=0.55)
        for place, index in enumerate(chosen):
            _draw_example(figure.add_subplot(cells[divmod(place, COLUMNS)]), found, index, colour)
        corner = spec.get_position(figure)
        figure.text(corner.x0, 0.91, title, fontsize=12, fontweight="bold", color=colour)
    words = f"Influence on held-out example {found.test_example}: {found.task}"
    figure.text(0.01, 0.955, words, fontsize=13, fontweight="bold", color=INK)
    told = f"{found.solver}, damping {found.damping:g}"
    figure.text(0.01, 0.915, told, fontsize=9, color=FAINT)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _draw_question(axes: Axes, found: Influence) -> None:
    _show(axes, found.image, INK)
    right = found.predicted == found.label
    axes.set_xlabel(
        f"class {found.classes[found.label]}\npredicted {found.classes[found.predicted]}\nloss {found.loss:.3g}",
        fontsize=10,
        color=INK if right else HARMFUL,
    )


def _draw_example(axes: Axes, found: Influence, index: int, colour: str) -> None:
    """Show an image with its index, its class and its influence; a star marks the forget set."""
    _show(axes, found.images[index], colour)
    star = " *" if found.forgotten[index] else ""
    axes.set_title(f"{index}{star}", fontsize=8, color=FAINT, pad=3)
    words = f"{found.classes[found.labels[index]]}\n{found.scores[index]:+.2g}"
    axes.set_xlabel(words, fontsize=8.5, color=INK, labelpad=3)


def _show(axes: Axes, image: np.ndarray, colour: str) -> None:
    """Show an image uint8 (C, H, W) without interpolation, in a frame."""
    pixels = image[0] if image.shape[0] == 1 else image[:3].transpose(1, 2, 0)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=colour, linewidth=1.5)
