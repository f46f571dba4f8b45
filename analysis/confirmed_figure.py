"""A confirmed front as a PNG: each point as the search measured it, and its mean over fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from orchestrator.results.confirmation import Confirmation, Estimate, Repeated
from orchestrator.results.figures.plane import FAINT, INK, STARS, style_plane
from orchestrator.results.figures.points import X, Y, assign_colours

CAPTION = (
    "Hollow: what the sweep measured. Filled: the mean over fresh seeds, with its 95 % confidence "
    "interval (Student's t), within what can be. Each seed has its own models, splits and, "
    "if it is random, forget set."
)


def draw_confirmed(found: Confirmation, task: str, path: Path) -> None:
    """Write the figure; raise OSError if the file cannot be written."""
    figure = Figure(figsize=(9.5, 6.2), dpi=180, facecolor="white")
    axes = figure.add_axes((0.085, 0.15, 0.89, 0.71))
    colours = assign_colours([point.searched for point in found.points])
    for role, model in found.baselines.items():
        _mark(axes, model, role, "*", 17, STARS[role])
    for point in found.points:
        name = point.searched["unlearner"]
        _mark(axes, point, name, "o", 8, colours[name])
    style_plane(axes)
    _frame(axes, [*found.points, *found.baselines.values()])
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), frameon=False, fontsize=9.5, labelcolor=INK)
    seeds = max(len(point.repeats) for point in found.points)
    title = f"What holds with fresh seeds: {task}"
    chances = [chance for chance in found.judge_points() if chance is not None]
    undominated = f"; {sum(chances):.1f} are undominated, on average" if chances else ""
    told = f"{len(found.points)} points of the front, {seeds} seeds{undominated}."
    figure.text(0.085, 0.945, title, fontsize=15, fontweight="bold", color=INK)
    figure.text(0.085, 0.9, told, fontsize=10, color=FAINT)
    figure.text(0.085, 0.018, fill(CAPTION, 125), fontsize=8.5, color=FAINT, va="bottom")
    figure.savefig(path)


def _mark(axes: Any, model: Repeated, label: str, marker: str, size: float, colour: str) -> None:
    """Draw the searched point, the mean with its intervals, and a line between the two."""
    x, y, was = model.over_seeds(X), model.over_seeds(Y), model.searched
    style = {"marker": marker, "markersize": size, "linestyle": "none"}
    if was[X] is not None and was[Y] is not None:
        axes.plot(
            was[X], was[Y], **style, markerfacecolor="none", markeredgecolor=colour, alpha=0.6
        )
    if x is None or y is None:
        return
    if was[X] is not None and was[Y] is not None:
        axes.plot([was[X], x.mean], [was[Y], y.mean], color=colour, linewidth=0.8, alpha=0.5)
    axes.errorbar(
        x.mean, y.mean, xerr=_bars(x), yerr=_bars(y), label=label, color=colour, markeredgecolor=INK,
        elinewidth=0.8, capsize=2, **style,
    )  # fmt: skip


def _frame(axes: Any, models: Sequence[Repeated]) -> None:
    """Fit the axes to the points and their intervals."""
    for axis, limit in ((X, axes.set_xlim), (Y, axes.set_ylim)):
        means = [found.clip(0.0, 1.0) for model in models if (found := model.over_seeds(axis))]
        searched = [m.searched[axis] for m in models if m.searched[axis] is not None]
        values = [*searched, *(end for ends in means for end in ends)]
        room = max(0.05 * (max(values) - min(values)), 0.01)
        limit(min(values) - room, max(values) + room)


def _bars(found: Estimate) -> list[list[float]]:
    low, high = found.clip(0.0, 1.0)
    return [[max(0.0, found.mean - low)], [max(0.0, high - found.mean)]]
