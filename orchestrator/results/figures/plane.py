"""The plane of accuracy and indistinguishability: axes, points, stars, and the band of a further retrain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from orchestrator.results.figures.points import (
    COST,
    NEITHER,
    OVER,
    UNDER,
    X_LABEL,
    Y_LABEL,
    CostScale,
    Front,
    X,
    Y,
    find_kind,
    spell_cost,
)
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row

INK, FAINT, GRID = "#1F2933", "#6B7785", "#E6EAEE"
STARS = {ORIGINAL: INK, RETRAINED: "#FFD23F"}
SHAPES = {UNDER: "v", NEITHER: "o", OVER: "^"}
LEAST, MOST = 28.0, 220.0
"""Areas of the markers of the least and the highest cost, in points squared."""


def draw_points(axes: Axes, front: Front, costs: CostScale, scale: float = 1.0) -> None:
    """Draw every point, the models, and what a further retrain would be; `scale` is of the markers' areas."""
    _draw_band(axes, front)
    for rank, rows in enumerate(_by_rank(front)):
        for kind, shape in SHAPES.items():
            some = [row for row in rows if find_kind(row) == kind]
            axes.scatter(
                [row[X] for row in some],
                [row[Y] for row in some],
                s=[scale * _area(costs.compute_share(row[COST])) for row in some],
                c=[front.colours[row["unlearner"]] for row in some],
                marker=shape,
                alpha=(0.22, 0.75, 0.95)[rank],
                linewidths=(0, 0.5, 1.3)[rank] * scale**0.5,
                edgecolors=INK if rank else "none",
                zorder=2 + 0.5 * rank,
            )
    for row in front.references[1:]:
        _draw_star(axes, row, RETRAINED, 70 * scale)
    for role, row in front.baselines.items():
        _draw_star(axes, row, role, 330 * scale)


def mark_recommended(axes: Axes, front: Front) -> None:
    """Ring the recommended point and name it."""
    row = front.recommended
    if row is None or row[X] is None or row[Y] is None:
        return
    axes.scatter(row[X], row[Y], s=420, facecolors="none", edgecolors=INK, linewidths=1.6, zorder=5)
    axes.annotate(
        "recommended",
        (row[X], row[Y]),
        xytext=(-16, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=10,
        fontweight="bold",
        color=INK,
        zorder=5,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )


def style_plane(axes: Axes) -> None:
    """Label and style the axes of a front: accuracy to the right, indistinguishability upwards."""
    axes.set_xlabel(f"{X_LABEL}  →", color=INK, fontsize=11, labelpad=8)
    axes.set_ylabel(f"{Y_LABEL}  →", color=INK, fontsize=11, labelpad=8)
    axes.grid(color=GRID, linewidth=0.9)
    tidy(axes)
    axes.xaxis.set_major_formatter(spell_percent)


def tidy(axes: Axes, size: float = 9.5) -> None:
    """Leave out what needs no ink."""
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=size, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#B8C1CB")


def spell_percent(value: float, _: float) -> str:
    """Return a share as a percentage: a matplotlib formatter."""
    return f"{100 * value:.4g} %"


def list_handles(front: Front, costs: CostScale) -> Iterator[Any]:
    """Yield what a legend explains: colours, shapes, stars, the band, outlines and sizes."""
    for name, colour in front.colours.items():
        yield _mark(name, color=colour)
    kinds = {find_kind(row) for row in front.drawn}
    for kind, shape in SHAPES.items():
        if kind in kinds and len(kinds) > 1:
            yield _mark(kind, marker=shape, color="#A9B4C0")
    for role in front.baselines:
        many = role == RETRAINED and len(front.references) > 1
        label = f"{len(front.references)} retrained models" if many else f"{role} model"
        yield _mark(label, marker="*", markersize=14, color=STARS[role], markeredgecolor=INK)
    if front.find_band(X):
        yield Patch(color=STARS[RETRAINED], alpha=0.25, label="a further retrain (95 %)")
    yield _mark("on the front", color="white", markeredgecolor=INK, markeredgewidth=1.4)
    if front.tied:
        yield _mark(
            "tied with a cheaper point", color="white", markeredgecolor=INK, markeredgewidth=0.5
        )
    for cost in costs.ticks if front.drawn else []:
        size = _area(costs.compute_share(cost)) ** 0.5
        yield _mark(spell_cost(cost), color="#A9B4C0", markersize=size)


def _by_rank(front: Front) -> list[list[Row]]:
    """Return dominated points, tied ones, and the others of the front, each with the costly ones first."""
    ranks: list[list[Row]] = [[], [], []]
    for row in sorted(front.drawn, key=lambda row: -(row[COST] or 0.0)):
        ranks[0 if not front.is_on(row) else 1 if front.is_tied(row) else 2].append(row)
    return ranks


def _draw_band(axes: Axes, front: Front) -> None:
    for column, span in ((X, axes.axvspan), (Y, axes.axhspan)):
        band = front.find_band(column)
        if band is not None:
            span(*band, color=STARS[RETRAINED], alpha=0.13, linewidth=0, zorder=0.5)


def _draw_star(axes: Axes, row: Row, role: str, area: float) -> None:
    edge = "white" if role == ORIGINAL else INK
    width = 1.1 * min(1.0, area / 330) ** 0.5
    axes.scatter(
        row[X],
        row[Y],
        s=area,
        marker="*",
        c=STARS[role],
        edgecolors=edge,
        linewidths=width,
        zorder=4,
    )


def _mark(label: str, **style: Any) -> Line2D:
    mark = Line2D([], [], linestyle="none", marker="o", markersize=8.5, markeredgecolor="none")
    mark.set(label=label, **style)
    return mark


def _area(share: float) -> float:
    return LEAST + (MOST - LEAST) * share
