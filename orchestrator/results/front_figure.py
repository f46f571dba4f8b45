"""The Pareto front as a PNG: a close-up of the best corner, next to all points and the legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from orchestrator.results.front_points import (
    TIME,
    X_LABEL,
    Y_LABEL,
    Clock,
    Front,
    X,
    Y,
    make_clock,
    spell_seconds,
)
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row

WINDOW = 0.15, 0.30
"""How far below the best accuracy and indistinguishability the close-up reaches."""
INK, FAINT, GRID = "#1F2933", "#6B7785", "#E6EAEE"
STARS = {ORIGINAL: INK, RETRAINED: "#FFD23F"}
LEAST, MOST = 28.0, 260.0
"""Areas of the markers of the shortest and the longest time, in points squared."""


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


def render_png(front: Front) -> bytes:
    """Return the figure as a PNG."""
    content = io.BytesIO()
    _figure_of(front).savefig(content, format="png")
    return content.getvalue()


def _figure_of(front: Front) -> Figure:
    figure = Figure(figsize=(10.5, 6.4), dpi=180, facecolor="white")
    figure.subplots_adjust(left=0.075, right=0.985, top=0.855, bottom=0.15)
    grid = figure.add_gridspec(2, 2, width_ratios=(3.2, 1), height_ratios=(1, 1.75), wspace=0.2)
    main = figure.add_subplot(grid[:, 0])
    rows = [*front.drawn, *front.baselines.values()]
    clock, window = make_clock(front.drawn), choose_window(rows)
    _plot(main, front, clock)
    _frame(main, front, window)
    outside = any(row not in window for row in rows)
    if outside:
        _overview(figure.add_subplot(grid[0, 1]), front, clock, window)
    side = figure.add_subplot(grid[1 if outside else slice(None), 1])
    side.axis("off")
    _legend(side, front, clock)
    _words(figure, front)
    return figure


def choose_window(rows: Sequence[Row]) -> Window:
    """Return the upper right corner of the points' bounding box, at most WINDOW wide and high."""
    (left, right), (bottom, top) = (
        (max(min(values), max(values) - reach), max(values))
        for values, reach in zip(([r[X] for r in rows], [r[Y] for r in rows]), WINDOW, strict=True)
    )
    across, up = max(0.06 * (right - left), 0.002), max(0.06 * (top - bottom), 0.004)
    return Window(left - across, right + across, bottom - up, min(top + up, 1.012))


def _plot(axes: Axes, front: Front, clock: Clock, scale: float = 1.0) -> None:
    for on_front in (False, True):  # the front lies above what it dominates
        rows = sorted(
            (row for row in front.drawn if front.is_on(row) == on_front),
            key=lambda row: -(row[TIME] or 0.0),
        )
        axes.scatter(
            [row[X] for row in rows],
            [row[Y] for row in rows],
            s=[scale * _area(clock.compute_share(row[TIME])) for row in rows],
            c=[front.colours[row["unlearner"]] for row in rows],
            alpha=0.95 if on_front else 0.25,
            linewidths=1.3 * scale**0.5 if on_front else 0,
            edgecolors=INK if on_front else "none",
            zorder=3 if on_front else 2,
        )
    for role, row in front.baselines.items():
        axes.scatter(
            row[X],
            row[Y],
            s=360 * scale,
            marker="*",
            c=STARS[role],
            edgecolors="white" if role == ORIGINAL else INK,
            linewidths=1.1 * scale**0.5,
            zorder=4,
        )


def _frame(axes: Axes, front: Front, window: Window) -> None:
    axes.set(xlim=(window.left, window.right), ylim=(window.bottom, window.top))
    style_plane(axes)
    original = front.baselines.get(ORIGINAL)
    if original is not None:
        axes.axvline(original[X], color=FAINT, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    hidden = sum(row not in window for row in front.drawn)
    if hidden:
        told = f"{hidden} of {len(front.drawn)} points lie outside this close-up"
        axes.text(0.01, 0.015, told, transform=axes.transAxes, color=FAINT, fontsize=8.5)


def _overview(axes: Axes, front: Front, clock: Clock, window: Window) -> None:
    _plot(axes, front, clock, scale=0.3)
    axes.set_title("all points", fontsize=9.5, color=INK, loc="left")
    axes.margins(0.08)
    corner = window.left, window.bottom
    size = window.right - window.left, window.top - window.bottom
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=FAINT, linewidth=1, zorder=5))
    axes.xaxis.set_major_formatter(_percent)
    axes.locator_params(nbins=4)
    axes.grid(color=GRID, linewidth=0.7)
    _tidy(axes, size=8)


def _legend(axes: Axes, front: Front, clock: Clock) -> None:
    marks = [_mark(name, color=colour) for name, colour in front.colours.items()]
    marks += [
        _mark(
            f"{role} model" + (f", {spell_seconds(row[TIME])}" if row[TIME] else ""),
            marker="*",
            markersize=15,
            color=STARS[role],
            markeredgecolor=INK,
        )
        for role, row in front.baselines.items()
    ]
    marks.append(_mark("Pareto front", color="white", markeredgecolor=INK, markeredgewidth=1.4))
    marks += [
        _mark(spell_seconds(t), color="#A9B4C0", markersize=_area(clock.compute_share(t)) ** 0.5)
        for t in (clock.ticks if front.drawn else [])
    ]
    axes.legend(
        handles=marks,
        loc="upper left",
        bbox_to_anchor=(-0.12, 1.03),
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        labelspacing=0.7 if len(marks) <= 13 else 0.4,  # the column is so high
        handletextpad=0.6,
    )


def _mark(label: str, **style: Any) -> Line2D:
    mark = Line2D([], [], linestyle="none", marker="o", markersize=8.5, markeredgecolor="none")
    mark.set(label=label, **style)
    return mark


def _words(figure: Figure, front: Front) -> None:
    title = f"What unlearning costs: {front.task}"
    told = (
        f"{len(front.drawn)} points of {front.trials} trials; the {len(front.front)} outlined form "
        "the Pareto front. A larger marker took longer to unlearn."
    )
    figure.text(0.075, 0.945, title, fontsize=15, fontweight="bold", color=INK)
    figure.text(0.075, 0.905, told, fontsize=10, color=FAINT)
    figure.text(0.075, 0.018, fill(front.caption, 170), fontsize=8.5, color=FAINT, va="bottom")


def style_plane(axes: Axes) -> None:
    """Label and style the axes of a front: accuracy to the right, indistinguishability upwards."""
    axes.set_xlabel(f"{X_LABEL}  →", color=INK, fontsize=11, labelpad=8)
    axes.set_ylabel(f"{Y_LABEL}  →", color=INK, fontsize=11, labelpad=8)
    axes.grid(color=GRID, linewidth=0.9)
    _tidy(axes)
    axes.xaxis.set_major_formatter(_percent)


def _percent(value: float, _: float) -> str:
    return f"{100 * value:.4g} %"


def _area(share: float) -> float:
    return LEAST + (MOST - LEAST) * share


def _tidy(axes: Axes, size: float = 9.5) -> None:
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=size, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#B8C1CB")
