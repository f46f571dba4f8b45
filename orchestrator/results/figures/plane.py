"""The plane of accuracy and indistinguishability: axes, points, stars, and the band of a further retrain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from orchestrator.results.figures.axes import COST, USUAL, Axis, is_drawable
from orchestrator.results.figures.points import OVER, UNDER, CostScale, Front, find_kind, spell_cost
from orchestrator.results.figures.values import escape_math
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row

INK, FAINT, GRID = "#1F2933", "#6B7785", "#E6EAEE"
STARS = {ORIGINAL: INK, RETRAINED: "#FFD23F"}
INNER = {UNDER: "v", OVER: "^"}
"""White marks within a marker."""
LEAST, MOST = 28.0, 220.0
"""Areas of the markers of the least and the highest cost, in points squared."""


def draw_points(axes: Axes, front: Front, costs: CostScale, scale: float = 1.0) -> None:
    """Draw every point, the models, and what a further retrain would be; `scale` is of the markers' areas.

    The original is hollow and behind the points: nothing is hidden where a method moved little.
    """
    x, y = (axis.column for axis in front.axes)
    _draw_band(axes, front)
    draw_ranks(axes, front, costs, (x, y), scale)
    for row in front.references[1:]:
        _draw_star(axes, (row[x], row[y]), RETRAINED, 70 * scale)
    for role, row in front.baselines.items():
        _draw_star(axes, (row[x], row[y]), role, 330 * scale)


def draw_ranks(
    axes: Axes, front: Front, costs: CostScale, columns: tuple[str, str], scale: float = 1.0
) -> None:
    """Draw the points by two columns: each method in its shape and colour, the front outlined, on top."""
    x, y = columns
    for rank, rows in enumerate(_by_rank(front)):
        drawn = [row for row in rows if row[x] is not None and row[y] is not None]
        look: dict[str, Any] = {"alpha": (0.22, 0.75, 0.95)[rank], "zorder": 2 + 0.5 * rank}
        for name, shape in front.shapes.items():
            some = [row for row in drawn if row["unlearner"] == name]
            areas = [scale * _area(costs.compute_share(row[COST])) for row in some]
            axes.scatter(
                [row[x] for row in some], [row[y] for row in some], s=areas, c=front.colours[name], marker=shape,
                linewidths=(0, 0.5, 1.3)[rank] * scale**0.5, edgecolors=INK if rank else "none", **look,
            )  # fmt: skip
        for kind, shape in INNER.items():
            some = [row for row in drawn if find_kind(row) == kind]
            areas = [0.22 * scale * _area(costs.compute_share(row[COST])) for row in some]
            axes.scatter(
                [row[x] for row in some], [row[y] for row in some], s=areas, c="white", marker=shape, linewidths=0,
                **look,
            )  # fmt: skip


def mark_recommended(axes: Axes, front: Front) -> None:
    """Ring the recommended point and name it, on the side where there is room within the frame."""
    row = front.recommended
    if row is None or not is_drawable(row, front.axes):
        return
    x, y = (row[axis.column] for axis in front.axes)
    axes.scatter(x, y, s=420, facecolors="none", edgecolors=INK, linewidths=1.6, zorder=5)
    low, high = axes.get_xlim()
    is_left = x < (low + high) / 2
    axes.annotate(
        "recommended",
        (x, y),
        xytext=(16 if is_left else -16, 0),
        textcoords="offset points",
        ha="left" if is_left else "right",
        va="center",
        fontsize=10,
        fontweight="bold",
        color=INK,
        zorder=5,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )


def style_plane(axes: Axes, sides: tuple[Axis, Axis] = USUAL) -> None:
    """Label and style the axes of a front, by default accuracy to the right, indistinguishability upwards."""
    axes.set_xlabel(sides[0].label, color=INK, fontsize=11, labelpad=8)
    axes.set_ylabel(sides[1].label, color=INK, fontsize=11, labelpad=8)
    axes.grid(color=GRID, linewidth=0.9)
    tidy(axes)
    if sides[0].is_share:
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
        yield _mark(name, color=colour, marker=front.shapes[name])
    kinds = {find_kind(row) for row in front.drawn}
    for kind, shape in INNER.items():
        if kind in kinds:
            yield _mark(f"{kind} (inside)", marker=shape, color="#A9B4C0", markersize=5)
    for role in front.baselines:
        many = role == RETRAINED and len(front.references) > 1
        label = f"{len(front.references)} retrained models" if many else f"{role} model"
        colour = "white" if role == ORIGINAL else STARS[role]
        yield _mark(label, marker="*", markersize=14, color=colour, markeredgecolor=INK)
    if front.find_band(front.axes[0].column):
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
    spans: tuple[Callable[..., Any], ...] = (axes.axvspan, axes.axhspan)
    for side, span in zip(front.axes, spans, strict=True):
        band = front.find_band(side.column)
        if band is not None:
            span(*band, color=STARS[RETRAINED], alpha=0.13, linewidth=0, zorder=0.5)


def _draw_star(axes: Axes, place: tuple[float, float], role: str, area: float) -> None:
    """Draw a model: the original hollow and behind the points, a retrained one in front of them."""
    hollow = role == ORIGINAL
    axes.scatter(
        *place,
        s=area,
        marker="*",
        c="none" if hollow else STARS[role],
        edgecolors=INK,
        linewidths=(1.6 if hollow else 1.1) * min(1.0, area / 330) ** 0.5,
        zorder=1.5 if hollow else 4,
    )


def _mark(label: str, **style: Any) -> Line2D:
    mark = Line2D([], [], linestyle="none", marker="o", markersize=8.5, markeredgecolor="none")
    mark.set(label=escape_math(label), **style)
    return mark


def _area(share: float) -> float:
    return LEAST + (MOST - LEAST) * share
