"""The Pareto front as one self-contained interactive page: hover, zoom, hide methods."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import wrap

import plotly.graph_objects as go

from analysis.tables import spell_params, spell_value
from orchestrator.results.figures.front import choose_window
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
    window = choose_window([*front.drawn, *front.baselines.values(), *front.references])
    for name, colour in front.colours.items():
        for on_front in (False, True):
            rows = [
                row
                for row in front.drawn
                if row["unlearner"] == name and front.is_on(row) == on_front
            ]
            if rows:
                figure.add_trace(_points(rows, name, colour, costs, on_front=on_front))
    for role, row in front.baselines.items():
        figure.add_trace(_stars(f"{role} model", role, [row]))
    if front.references[1:]:
        further = "further retrained models"
        figure.add_trace(_stars(further, RETRAINED, front.references[1:], size=11))
    if front.recommended is not None:
        figure.add_trace(_ring(front.recommended))
    _add_band(figure, front)
    figure.update_layout(
        title={
            "text": f"What unlearning costs: {escape(front.task)}",
            "subtitle": {"text": "<br>".join(wrap(escape(f"{KEY} {front.caption}"), 80))},
        },
        margin={"t": 175},
        xaxis={"title": X_LABEL, "tickformat": ".1%", "range": [window.left, window.right]},
        yaxis={"title": Y_LABEL},
        template="plotly_white",
        legend={"itemsizing": "constant"},
    )
    path.write_text(figure.to_html(include_plotlyjs=True), encoding="utf-8")


def _points(
    rows: Sequence[Row], name: str, colour: str, costs: CostScale, *, on_front: bool
) -> go.Scatter:
    return go.Scatter(
        x=[row[X] for row in rows],
        y=[row[Y] for row in rows],
        mode="markers",
        name=f"{name}, front" if on_front else name,
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "size": [LEAST + (MOST - LEAST) * costs.compute_share(row[COST]) for row in rows],
            "symbol": [SYMBOLS[find_kind(row)] for row in rows],
            "color": colour,
            "opacity": 0.95 if on_front else 0.3,
            "line": {"width": 2 if on_front else 0, "color": "#1F2933"},
        },
    )


def _add_band(figure: go.Figure, front: Front) -> None:
    """Shade where a further retrain lies."""
    for column, add in ((X, figure.add_vrect), (Y, figure.add_hrect)):
        band = front.find_band(column)
        if band is not None:
            ends = dict(zip(("x0", "x1") if column == X else ("y0", "y1"), band, strict=True))
            add(**ends, fillcolor=STARS[RETRAINED], opacity=0.15, line_width=0, layer="below")


def _ring(row: Row) -> go.Scatter:
    return go.Scatter(
        x=[row[X]],
        y=[row[Y]],
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


def _stars(name: str, role: str, rows: Sequence[Row], size: int = 20) -> go.Scatter:
    return go.Scatter(
        x=[row[X] for row in rows],
        y=[row[Y] for row in rows],
        mode="markers",
        name=name,
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "symbol": "star",
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
