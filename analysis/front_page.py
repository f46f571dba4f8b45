"""The Pareto front as one self-contained interactive page: hover, zoom, hide methods."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from analysis.tables import spell_params, spell_value
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

HOVER = (
    "validation_accuracy_retained",
    "validation_indistinguishability",
    X,
    Y,
    "test_accuracy_forgotten",
    "mia_class_matched_accuracy",
    "relative_cost",
)
STARS = {ORIGINAL: "#1F2933", RETRAINED: "#FFD23F"}
LEAST, MOST = 7.0, 22.0
"""Diameters of the markers of the shortest and the longest time, in pixels."""


def write_page(front: Front, path: Path) -> None:
    """Write the page, plotly's script included; raise OSError if it cannot be written."""
    figure = go.Figure()
    clock = make_clock(front.drawn)
    for name, colour in front.colours.items():
        for on_front in (False, True):
            rows = [
                row
                for row in front.drawn
                if row["unlearner"] == name and front.is_on(row) == on_front
            ]
            if rows:
                figure.add_trace(_points(rows, name, colour, clock, on_front=on_front))
    for role, row in front.baselines.items():
        figure.add_trace(_star(role, row))
    figure.update_layout(
        title={
            "text": f"What unlearning costs: {escape(front.task)}",
            "subtitle": {"text": f"Size: time. Outlined: the front. {escape(front.caption)}"},
        },
        xaxis={"title": X_LABEL, "tickformat": ".1%"},
        yaxis={"title": Y_LABEL},
        template="plotly_white",
        legend={"itemsizing": "constant"},
    )
    path.write_text(figure.to_html(include_plotlyjs=True), encoding="utf-8")


def _points(
    rows: Sequence[Row], name: str, colour: str, clock: Clock, *, on_front: bool
) -> go.Scatter:
    return go.Scatter(
        x=[row[X] for row in rows],
        y=[row[Y] for row in rows],
        mode="markers",
        name=f"{name}, front" if on_front else name,
        text=[_hover(row) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "size": [LEAST + (MOST - LEAST) * clock.compute_share(row[TIME]) for row in rows],
            "color": colour,
            "opacity": 0.95 if on_front else 0.3,
            "line": {"width": 2 if on_front else 0, "color": "#1F2933"},
        },
    )


def _star(role: str, row: Row) -> go.Scatter:
    return go.Scatter(
        x=[row[X]],
        y=[row[Y]],
        mode="markers",
        name=f"{role} model",
        text=[_hover(row)],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "symbol": "star",
            "size": 20,
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
        f"{TIME} {spell_seconds(row[TIME] or 0.0)}",
        escape(spell_params(row)),
    ]
    return "<br>".join(line for line in lines if line)
