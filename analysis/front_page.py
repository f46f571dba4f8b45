"""The Pareto front as one self-contained interactive page: hover, zoom, hide methods."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import wrap

import plotly.graph_objects as go

from analysis.tables import spell_params, spell_value
from orchestrator.results.figures.axes import COST, X, Y
from orchestrator.results.figures.front import choose_window
from orchestrator.results.figures.points import (
    NEITHER,
    OVER,
    UNDER,
    CostScale,
    Front,
    find_kind,
    make_scale,
)
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Row

HOVER = (
    "validation_accuracy_retained",
    "validation_indistinguishability",
    X,
    Y,
    "test_accuracy_forgotten",
    "over_unlearned",
    "under_unlearned",
    "relative_cost",
    "unlearn_seconds",
)
STARS = {ORIGINAL: "#1F2933", RETRAINED: "#FFD23F"}
KEY = (
    "Size: cost. Outlined: the front. Triangle down: under-unlearned, up: over-unlearned. Shaded: a further "
    "retrain, 95 %. Shown are the points that kept the accuracy; a double click shows all."
)
LEAST, MOST = 7.0, 22.0
"""Diameters of the markers of the least and the highest cost, in pixels."""
SYMBOLS = {UNDER: "triangle-down", NEITHER: "circle", OVER: "triangle-up"}


def write_page(front: Front, path: Path) -> None:
    """Write the page, plotly's script included; raise OSError if it cannot be written."""
    figure = go.Figure()
    costs = make_scale(front.drawn)
    rows = [*front.drawn, *front.baselines.values(), *front.references]
    window = choose_window(rows, front.axes, front.recommended)
    x, y = front.axes
    for name in front.colours:
        for on_front in (False, True):
            rows = [
                row
                for row in front.drawn
                if row["unlearner"] == name and front.is_on(row) == on_front
            ]
            if rows:
                figure.add_trace(_points(front, rows, name, costs, on_front=on_front))
    for role, row in front.baselines.items():
        figure.add_trace(_stars(front, f"{role} model", role, [row]))
    if front.references[1:]:
        further = "further retrained models"
        figure.add_trace(_stars(front, further, RETRAINED, front.references[1:], size=11))
    if front.recommended is not None:
        figure.add_trace(_ring(front, front.recommended))
    _add_band(figure, front)
    figure.update_layout(
        title={
            "text": f"What unlearning costs: {escape(front.task)}",
            "subtitle": {"text": "<br>".join(wrap(escape(f"{KEY} {front.caption}"), 80))},
        },
        margin={"t": 175},
        xaxis={
            "title": x.label,
            "tickformat": ".1%" if x.is_share else "",
            "range": [window.left, window.right],
        },
        yaxis={"title": y.label},
        template="plotly_white",
        legend={"itemsizing": "constant"},
    )
    path.write_text(figure.to_html(include_plotlyjs=True), encoding="utf-8")


def _points(
    front: Front, rows: Sequence[Row], name: str, costs: CostScale, *, on_front: bool
) -> go.Scatter:
    return go.Scatter(
        **_places(front, rows),
        mode="markers",
        name=f"{name}, front" if on_front else name,
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "size": [LEAST + (MOST - LEAST) * costs.compute_share(row[COST]) for row in rows],
            "symbol": [SYMBOLS[find_kind(row)] for row in rows],
            "color": front.colours[name],
            "opacity": 0.95 if on_front else 0.3,
            "line": {"width": 2 if on_front else 0, "color": "#1F2933"},
        },
    )


def _add_band(figure: go.Figure, front: Front) -> None:
    """Shade where a further retrain lies."""
    for side, add, names in zip(
        front.axes, (figure.add_vrect, figure.add_hrect), ("x0 x1", "y0 y1"), strict=True
    ):
        band = front.find_band(side.column)
        if band is not None:
            ends = dict(zip(names.split(), band, strict=True))
            add(**ends, fillcolor=STARS[RETRAINED], opacity=0.15, line_width=0, layer="below")


def _places(front: Front, rows: Sequence[Row]) -> dict[str, list[float]]:
    x, y = (side.column for side in front.axes)
    return {"x": [row[x] for row in rows], "y": [row[y] for row in rows]}


def _ring(front: Front, row: Row) -> go.Scatter:
    return go.Scatter(
        **_places(front, [row]),
        mode="markers",
        name="recommended",
        hoverinfo="skip",
        marker={
            "symbol": "circle-open",
            "size": LEAST + MOST,
            "color": "#1F2933",
            "line": {"width": 2},
        },
    )


def _stars(front: Front, name: str, role: str, rows: Sequence[Row], size: int = 20) -> go.Scatter:
    return go.Scatter(
        **_places(front, rows),
        mode="markers",
        name=name,
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "symbol": "star-open" if role == ORIGINAL else "star",
            "size": size,
            "color": STARS[role],
            "line": {"width": 1.5, "color": "#1F2933"},
        },
    )


def _hover(row: Row) -> str:
    lines = [
        f"<b>{escape(row['trial_id'])}</b>, epoch {row['epoch']}",
        *(
            f"{column} {spell_value(column, row[column])}"
            for column in HOVER
            if row[column] is not None
        ),
        escape(spell_params(row)),
    ]
    return "<br>".join(line for line in lines if line)
