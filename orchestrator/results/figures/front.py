"""The Pareto front as a PNG: the points that kept the accuracy, next to all points and the legend."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from orchestrator.results.figures.axes import COST, USUAL, Axis
from orchestrator.results.figures.plane import (
    FAINT,
    GRID,
    INK,
    STARS,
    draw_points,
    draw_ranks,
    list_handles,
    mark_recommended,
    spell_percent,
    style_plane,
    tidy,
)
from orchestrator.results.figures.points import CostScale, Front, make_scale
from orchestrator.results.figures.values import escape_math, spell_count
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row

REACH = 0.15
"""How far from the best accuracy the close-up reaches."""


@dataclass(frozen=True)
class Window:
    """The part of the plane that the close-up shows."""

    left: float
    right: float
    bottom: float
    top: float
    sides: tuple[Axis, Axis] = USUAL

    def __contains__(self, row: Row) -> bool:
        x, y = (row[side.column] for side in self.sides)
        return self.left <= x <= self.right and self.bottom <= y <= self.top


def draw_front(front: Front, path: Path) -> None:
    """Write the figure as PNG; raise OSError if the file cannot be written."""
    make_figure(front).savefig(path)


def render_front(front: Front, form: str = "png") -> bytes:
    """Return the figure as a PNG, or in another form that Matplotlib writes, such as "pdf"."""
    content = io.BytesIO()
    make_figure(front).savefig(content, format=form)
    return content.getvalue()


def choose_window(
    rows: Sequence[Row], sides: tuple[Axis, Axis] = USUAL, recommended: Row | None = None
) -> Window:
    """Return what holds the recommended point and all whose accuracy is at most REACH from the best.

    If the first axis is no fraction, it holds all.
    """
    x, y = (side.column for side in sides)
    best = (max if sides[0].up else min)(row[x] for row in rows)
    reach = REACH if sides[0].is_share else math.inf
    near = [row for row in rows if abs(row[x] - best) <= reach or row is recommended]
    (left, right), (bottom, top) = (
        (min(row[c] for row in near), max(row[c] for row in near)) for c in (x, y)
    )
    across, up = max(0.05 * (right - left), 0.002), max(0.05 * (top - bottom), 0.004)
    return Window(left - across, right + across, bottom - up, top + up, sides)


def make_figure(front: Front) -> Figure:
    """Draw the plane, the panel of what is forgotten against the cost, all points, and the legend."""
    figure = Figure(figsize=(13.5, 7.2), dpi=150, facecolor="white")
    figure.subplots_adjust(left=0.06, right=0.99, top=0.84, bottom=0.095)
    grid = figure.add_gridspec(
        2, 3, width_ratios=(3.0, 1.7, 1), height_ratios=(1.7, 1), wspace=0.24, hspace=0.42
    )
    main = figure.add_subplot(grid[:, 0])
    rows = [*front.drawn, *front.baselines.values(), *front.references]
    costs, window = make_scale(front.drawn), choose_window(rows, front.axes, front.recommended)
    draw_points(main, front, costs)
    _frame(main, front, window)
    mark_recommended(main, front)
    outside = any(row not in window for row in rows)
    _draw_forgotten(figure.add_subplot(grid[0 if outside else slice(None), 1]), front, costs)
    if outside:
        _overview(figure.add_subplot(grid[1, 1]), front, costs, window)
    side = figure.add_subplot(grid[:, 2])
    side.axis("off")
    _legend(side, front, costs)
    _words(figure, front)
    return figure


def _frame(axes: Axes, front: Front, window: Window) -> None:
    axes.set(xlim=(window.left, window.right), ylim=(window.bottom, window.top))
    style_plane(axes, front.axes)
    original = front.baselines.get(ORIGINAL)
    if original is not None:
        axes.axvline(
            original[front.axes[0].column],
            color=FAINT,
            linewidth=1,
            linestyle=(0, (4, 4)),
            zorder=1,
        )
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
    if front.axes[0].is_share:
        axes.xaxis.set_major_formatter(spell_percent)
    axes.locator_params(nbins=4)
    axes.grid(color=GRID, linewidth=0.7)
    tidy(axes, size=8)


def _draw_forgotten(axes: Axes, front: Front, costs: CostScale) -> None:
    """Draw the accuracy on what is forgotten against the cost, between the original and the retrained models."""
    column = front.forgotten
    draw_ranks(axes, front, costs, (COST, column), scale=0.45)
    original = front.baselines.get(ORIGINAL)
    if original is not None and original[column] is not None:
        axes.axhline(original[column], color=INK, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
        axes.text(0.99, original[column], "original", transform=axes.get_yaxis_transform(), **_WORD)
    values = [row[column] for row in front.references if row[column] is not None]
    if values:
        mean = statistics.fmean(values)
        axes.axhspan(
            *(front.find_band(column) or (mean, mean)),
            color=STARS[RETRAINED],
            alpha=0.3,
            zorder=0.5,
        )
        axes.axhline(mean, color="#C79A00", linewidth=1, zorder=1)
        axes.text(0.99, mean, "retrained", transform=axes.get_yaxis_transform(), **_WORD)
    if any(row[COST] for row in front.drawn):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(spell_percent)
    axes.set_title(column.replace("_", " "), fontsize=9.5, color=INK, loc="left")
    axes.set_xlabel("cost, as a share of a retrain's", color=INK, fontsize=9)
    axes.grid(color=GRID, linewidth=0.7)
    axes.margins(0.08)
    tidy(axes, size=8)


MANY = 32
"""Lines of a legend that one column holds."""
_WORD: dict[str, Any] = {
    "ha": "right", "va": "bottom", "fontsize": 8, "color": INK, "zorder": 5,
    "path_effects": [withStroke(linewidth=2.5, foreground="white")],
}  # fmt: skip


def _legend(axes: Axes, front: Front, costs: CostScale) -> None:
    handles = list(list_handles(front, costs))
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.16 if len(handles) <= MANY else -0.36, 1.03),
        frameon=False,
        fontsize=9 if len(handles) <= 18 else 7.5 if len(handles) <= MANY else 6,
        ncols=1 if len(handles) <= MANY else 2,
        columnspacing=0.4,
        labelcolor=INK,
        labelspacing=0.6 if len(handles) <= 16 else 0.35,  # the column is so high
        handletextpad=0.6,
    )


def _words(figure: Figure, front: Front) -> None:
    title = f"What unlearning costs: {front.task}"
    drawn, outlined = len(front.drawn), sum(map(front.is_on, front.drawn))
    told = (
        f"{drawn} points of {spell_count(front.trials, 'trial')}; the {outlined} outlined form the Pareto front. "
        f"A larger marker cost more. {front.caption}"
    )
    if drawn < len(front.measured):
        more = len(front.measured) - drawn
        verb = "has" if more == 1 else "have"
        told += f" {spell_count(more, 'more point')} {verb} no value on an axis here."
    figure.text(0.06, 0.95, escape_math(title), fontsize=15, fontweight="bold", color=INK)
    figure.text(0.06, 0.935, escape_math(fill(told, 170)), fontsize=10, color=FAINT, va="top")
