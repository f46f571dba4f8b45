"""The hyper-parameters of each method: the axes of parallel coordinates, and how much each mattered."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.plot import describe_axis
from orchestrator.results.columns import COLUMNS
from orchestrator.results.figures.axes import X, Y
from orchestrator.results.hyperparameters.importance import (
    FEWEST,
    ROUGH,
    count_settings,
    read_settings,
    weigh_hyperparameters,
)
from orchestrator.results.sweep_rows import Row

WIDE = 10.0
"""Values that lie further apart than this ratio are drawn on a logarithmic axis."""

MOST_JUDGED = 100
"""Trials of a method from which its importances are computed, spread evenly: fANOVA takes seconds for more."""


@dataclass(frozen=True)
class Importances:
    """How much each hyper-parameter of one method mattered for each metric of the objective."""

    method: str
    metrics: list[str]
    shares: dict[str, list[float | None]]
    note: str


def weigh_methods(content: SweepContent) -> list[Importances]:
    """Return the importances of each method that has tried enough settings."""
    found = []
    metrics = [describe_axis(n)["label"] if n in COLUMNS else n for n in content.objective.metrics]
    for method, rows in _by_method(content):
        judged = rows[:: math.ceil(len(rows) / MOST_JUDGED)]
        many = count_settings(judged) >= FEWEST
        shares = weigh_hyperparameters(judged, content.objective) if many else {}
        if any(value is not None for values in shares.values() for value in values):
            part = "" if judged == rows else f"{len(judged)} of "
            note = f"{part}{len(rows)} trials" + (
                ", a rough hint only" if len(rows) < ROUGH else ""
            )
            found.append(Importances(method, metrics, shares, note))
    return found


def describe_coordinates(content: SweepContent) -> list[dict[str, Any]]:
    """Return for each method with settings that vary the axes of its parallel coordinates.

    Each axis is a hyper-parameter, numbers or choices, by which values lie on it.
    """
    found = []
    for method, rows in _by_method(content):
        settings = read_settings(rows)
        names = [n for n in settings[0] if all(n in params for params in settings)]
        axes = [_describe(name, [params[name] for params in settings]) for name in names]
        varied = [axis for axis in axes if axis is not None]
        if varied:
            results = [
                n for n in dict.fromkeys([*content.objective.metrics, X, Y]) if n in content.axes
            ]
            found.append(
                {"method": content.methods.index(method), "params": varied, "results": results}
            )
    return found


def _by_method(content: SweepContent) -> Iterator[tuple[str, list[Row]]]:
    for method in content.methods:
        rows = [row for row in content.sweep.finals if row["unlearner"] == method]
        if rows:
            yield method, rows


def _describe(name: str, values: list[Any]) -> dict[str, Any] | None:
    """Return an axis; None if the values do not vary."""
    if all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values
    ):
        low, high = min(values), max(values)
        axis = {"name": name, "low": low, "high": high, "log": low > 0 and high / low > WIDE}
        return axis if high > low else None
    choices = sorted({_spell_choice(v) for v in values})
    return {"name": name, "choices": choices} if len(choices) > 1 else None


def _spell_choice(value: Any) -> str:
    """Spell a choice as the page's script does: texts and numbers plainly, all else as JSON."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, separators=(",", ":"))
