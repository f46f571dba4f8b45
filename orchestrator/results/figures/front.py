"""The Pareto front as a PNG: the points that kept the accuracy, next to all points and the legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from orchestrator.results.figures.plane import (
    FAINT,
    GRID,
    INK,
    draw_points,
    list_handles,
    mark_recommended,
    spell_percent,
    style_plane,
    tidy,
)
from orchestrator.results.figures.points import CostScale, Front, X, Y, make_scale
from orchestrator.results.sweep_rows import ORIGINAL, Row

REACH = 0.15
"""How far below the best accuracy the close-up reaches."""


@dataclass(frozen=True)
class Window:
    """The part of the plane that the close-up shows."""

    left: float
    right: float
    bottom: float
    top: float

    def __contains__(self, row: Row) -> bool:
        return self.left <= row[X] <= self.right and self.bottom <= row[Y] <= self.top


def draw_front(front: Front, path: Path) -> None:
    """Write the figure as PNG; raise OSError if the file cannot be written."""
    _figure_of(front).savefig(path)


def render_front(front: Front, form: str = "png") -> bytes:
    """Return the figure as a PNG, or in another form that Matplotlib writes, such as "pdf"."""
    content = io.BytesIO()
    _figure_of(front).savefig(content, format=form)
    return content.getvalue()


def choose_window(rows: Sequence[Row]) -> Window:
    """Return what holds all points whose accuracy is at most REACH below the best."""
    best = max(row[X] for row in rows)
    near = [row for row in rows if row[X] >= best - REACH]
    left, bottom, top = min(r[X] for r in near), min(r[Y] for r in near), max(r[Y] for r in near)
    across, up = max(0.05 * (best - left), 0.002), max(0.05 * (top - bottom), 0.004)
    return Window(left - across, best + across, bottom - up, top + up)


def _figure_of(front: Front) -> Figure:
    figure = Figure(figsize=(10.5, 6.8), dpi=180, facecolor="white")
    figure.subplots_adjust(left=0.075, right=0.985, top=0.865, bottom=0.155)
    grid = figure.add_gridspec(2, 2, width_ratios=(3.0, 1), height_ratios=(1, 2.6), wspace=0.2)
    main = figure.add_subplot(grid[:, 0])
    rows = [*front.drawn, *front.baselines.values(), *front.references]
    costs, window = make_scale(front.drawn), choose_window(rows)
    draw_points(main, front, costs)
    mark_recommended(main, front)
    _frame(main, front, window)
    outside = any(row not in window for row in rows)
    if outside:
        _overview(figure.add_subplot(grid[0, 1]), front, costs, window)
    side = figure.add_subplot(grid[1 if outside else slice(None), 1])
    side.axis("off")
    _legend(side, front, costs)
    _words(figure, front)
    return figure


def _frame(axes: Axes, front: Front, window: Window) -> None:
    axes.set(xlim=(window.left, window.right), ylim=(window.bottom, window.top))
    style_plane(axes)
    original = front.baselines.get(ORIGINAL)
    if original is not None:
        axes.axvline(original[X], color=FAINT, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    hidden = sum(row not in window for row in front.drawn)
    if hidden:
        told = f"{hidden} of {len(front.drawn)} points lie outside this close-up"
        axes.text(0.01, 0.012, told, transform=axes.transAxes, color=FAINT, fontsize=8.5)


def _overview(axes: Axes, front: Front, costs: CostScale, window: Window) -> None:
    draw_points(axes, front, costs, scale=0.25)
    axes.set_title("all points", fontsize=9.5, color=INK, loc="left")
    axes.margins(0.08)
    corner = window.left, window.bottom
    size = window.right - window.left, window.top - window.bottom
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=FAINT, linewidth=1, zorder=6))
    axes.xaxis.set_major_formatter(spell_percent)
    axes.locator_params(nbins=4)
    axes.grid(color=GRID, linewidth=0.7)
    tidy(axes, size=8)


def _legend(axes: Axes, front: Front, costs: CostScale) -> None:
    handles = list(list_handles(front, costs))
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.12, 1.03),
        frameon=False,
        fontsize=9 if len(handles) <= 18 else 7.5,
        labelcolor=INK,
        labelspacing=0.6 if len(handles) <= 16 else 0.35,  # the column is so high
        handletextpad=0.6,
    )


def _words(figure: Figure, front: Front) -> None:
    title = f"What unlearning costs: {front.task}"
    told = (
        f"{len(front.drawn)} points of {front.trials} trials; the {len(front.front)} outlined form "
        "the Pareto front. A larger marker cost more."
    )
    figure.text(0.075, 0.95, title, fontsize=15, fontweight="bold", color=INK)
    figure.text(0.075, 0.912, told, fontsize=10, color=FAINT)
    figure.text(0.075, 0.018, fill(front.caption, 170), fontsize=8.5, color=FAINT, va="bottom")
