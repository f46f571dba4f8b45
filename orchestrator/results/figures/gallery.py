"""One held-out example and the training examples that its loss rests on, as a picture."""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.results.figures.plane import FAINT, INK

HELPFUL, HARMFUL = "#1B7F5C", "#B4442F"
COLUMNS = 5
CELL, HEIGHT = 1.25, 1.65
"""Inches of an image with its caption."""
TOP, BOTTOM = 1.15, 0.5
"""Inches of the margins."""


class Found(Protocol):
    """What is shown of an influence query; orchestrator.results.influence.Influence says what each is."""

    @property
    def task(self) -> str: ...
    @property
    def solver(self) -> str: ...
    @property
    def damping(self) -> float: ...
    @property
    def test_example(self) -> int: ...
    @property
    def image(self) -> np.ndarray: ...
    @property
    def label(self) -> int: ...
    @property
    def predicted(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def images(self) -> np.ndarray: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def scores(self) -> np.ndarray: ...
    @property
    def forgotten(self) -> np.ndarray: ...


def render_gallery(found: Found, helpful: np.ndarray, harmful: np.ndarray) -> bytes:
    """Draw the held-out example, and beside it these training examples by index; return a PNG."""
    rows = max(2, -(-max(len(helpful), len(harmful)) // COLUMNS))
    high = HEIGHT * rows + TOP + BOTTOM
    figure = Figure(figsize=(CELL * (2 * COLUMNS + 3.4), high), dpi=120, facecolor="white")
    grid = figure.add_gridspec(
        1,
        3,
        width_ratios=(2.2, COLUMNS, COLUMNS),
        left=0.012,
        right=0.988,
        top=1 - TOP / high,
        bottom=BOTTOM / high,
        wspace=0.1,
    )
    _draw_question(figure.add_subplot(grid[0]), found)
    for spec, chosen, colour, title in (
        (grid[1], helpful, HELPFUL, "most helpful"),
        (grid[2], harmful, HARMFUL, "most harmful"),
    ):
        cells = spec.subgridspec(rows, COLUMNS, wspace=0.12, hspace=0.6)
        for place, index in enumerate(chosen):
            _draw_example(figure.add_subplot(cells[divmod(place, COLUMNS)]), found, index, colour)
        corner = spec.get_position(figure)
        y = 1 - 0.85 / high
        figure.text(corner.x0, y, title, fontsize=12, fontweight="bold", color=colour)
    words = f"Influence on held-out example {found.test_example}: {found.task}"
    figure.text(0.012, 1 - 0.3 / high, words, fontsize=14, fontweight="bold", color=INK)
    told = (
        f"{found.solver}, damping {found.damping:g}. Below each image: its class, and how much the loss would rise "
        "without it. * is in the forget set."
    )
    figure.text(0.012, 1 - 0.53 / high, told, fontsize=9.5, color=FAINT)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _draw_question(axes: Axes, found: Found) -> None:
    _show(axes, found.image, INK)
    axes.set_anchor("N")
    right = found.predicted == found.label
    axes.set_xlabel(
        f"class {found.classes[found.label]}\npredicted {found.classes[found.predicted]}\nloss {found.loss:.3g}",
        fontsize=10,
        color=INK if right else HARMFUL,
    )


def _draw_example(axes: Axes, found: Found, index: int, colour: str) -> None:
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
