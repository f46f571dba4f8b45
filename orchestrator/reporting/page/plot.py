"""The numbers of the figures: points, models, axes and bands, as plain data that a script of the page draws."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.config.spelling import PROGRAM
from orchestrator.reporting.page.content import ALSO, SweepContent, list_points
from orchestrator.reporting.recommended import spell_run
from orchestrator.results.columns import COLUMNS, COSTS, METRICS, find_bounds
from orchestrator.results.confirmation.repeats import Estimate
from orchestrator.results.figures.axes import COST, X, Y
from orchestrator.results.figures.front import REACH
from orchestrator.results.figures.points import NEITHER, find_kind
from orchestrator.results.sweep_rows import ORIGINAL, Row

Plot = dict[str, Any]
SHAPES = ("circle", "square", "up", "diamond", "cross", "down", "plus", "hexagon")
"""Markers of methods. With the colours, of which there are 11, the first 88 methods differ."""
MOST_POINTS = 6000
"""Points that a page draws: above, points that are neither last nor on the front are left out, evenly."""
_COSTS = {column.name for column in COSTS}


def describe_plot(content: SweepContent, most: int = MOST_POINTS) -> Plot:
    """Return what the figures of one sweep draw, at most `most` points of it."""
    rows = thin_points(content, most)
    numbers = {
        row["trial_id"]: n for n, row in enumerate({r["trial_id"]: r for r in rows}.values())
    }
    return {
        "name": content.name,
        "axes": [describe_axis(name) for name in content.axes],
        "x": X, "y": Y, "cost": COST, "reach": REACH, "card": list_card(content.axes),
        "methods": [{"name": name, "shape": SHAPES[n % len(SHAPES)]} for n, name in enumerate(content.methods)],
        "trials": _describe_trials(content, rows),
        "points": {
            "trial": [numbers[row["trial_id"]] for row in rows],
            "epoch": [row["epoch"] for row in rows],
            "rank": [_rank(content, row) for row in rows],
            "kind": [_side(row) for row in rows],
            "last": [int(bool(row["final"])) for row in rows],
            "values": {name: [_short(row[name]) for row in rows] for name in content.axes},
        },
        "left_out": len(content.sweep.points) - len(rows),
        "models": list(describe_models(content)),
        "bands": {name: band for name in content.axes if (band := _band(content, name))},
        "confirmed": list(_describe_confirmed(content, rows)),
        "commands": {
            n: spell_run(content.config, row, PROGRAM) for n, row in enumerate(rows) if content.front.is_on(row)
        },
    }  # fmt: skip


def describe_fronts(contents: Sequence[SweepContent]) -> Plot:
    """Return one figure of the fronts of several sweeps, which stand where methods stand in the figure of one."""
    parts = [(c, c.front.front) for c in contents]
    pairs = [(number, c, row) for number, (c, rows) in enumerate(parts) for row in rows]
    axes = [name for name in contents[0].axes if all(name in c.axes for c in contents)]
    trials = [
        {"id": f"{c.name}: {row['trial_id']}", "method": n, "params": _params(row), "state": row["state"]}
        for n, c, row in pairs
    ]  # fmt: skip
    return {
        "name": "all sweeps", "axes": [describe_axis(name) for name in axes], "x": X, "y": Y, "cost": COST,
        "reach": REACH, "card": list_card(axes),
        "methods": [{"name": c.name, "shape": SHAPES[n % len(SHAPES)]} for n, c in enumerate(contents)],
        "trials": trials,
        "points": {
            "trial": list(range(len(pairs))),
            "epoch": [row["epoch"] for _, _, row in pairs],
            "rank": [3 if row is c.front.recommended else 2 for _, c, row in pairs],
            "kind": [_side(row) for _, _, row in pairs],
            "last": [1] * len(pairs),
            "values": {name: [_short(row[name]) for _, _, row in pairs] for name in axes},
        },
        "left_out": 0, "bands": {}, "confirmed": [], "commands": {},
        "models": [{**model, "method": n} for n, c in enumerate(contents) for model in describe_models(c)],
    }  # fmt: skip


def thin_points(content: SweepContent, most: int) -> list[Row]:
    """Return the points to draw: all of the front and all last points first, then as many others as fit, evenly."""
    points = content.sweep.points
    if len(points) <= most:
        return points
    kept = [n for n, row in enumerate(points) if content.front.is_on(row)]
    for group in ([n for n, row in enumerate(points) if row["final"]], range(len(points))):
        others = sorted(set(group) - set(kept))
        room = min(most - len(kept), len(others))
        kept += [others[n * len(others) // room] for n in range(max(0, room))]
    return [points[n] for n in sorted(kept)]


def describe_axis(name: str) -> Plot:
    """Return the name of a column, its words, and how its values are spelt and scaled."""
    column = COLUMNS[name]
    half = f" ({column.half} half)" if column.half != "none" else ""
    words = name.removeprefix("validation_").removeprefix("test_").replace("_", " ")
    return {
        "name": name,
        "label": f"{words}{half}",
        "unit": "" if column.unit == "fraction" else column.unit,
        "better": {"up": "more", "down": "less"}.get(str(column.best), ""),
        "log": name in _COSTS,
        "decimals": name in METRICS,
    }


def list_card(axes: Sequence[str]) -> list[str]:
    """Return the columns that the card of a point tells, whatever the axes are."""
    return [name for name in axes if name not in ALSO]


def describe_models(content: SweepContent) -> Iterable[Plot]:
    """Yield the original and the references, with their values."""
    original = content.sweep.baseline(ORIGINAL)
    models = [] if original is None else [original]
    for row in [*models, *content.sweep.references]:
        yield {
            "id": row["trial_id"],
            "role": row["role"],
            "values": {name: _short(row[name]) for name in content.axes},
        }


def _describe_trials(content: SweepContent, rows: Sequence[Row]) -> list[Plot]:
    states = {row["trial_id"]: row["state"] for row in content.rows if row["final"]}
    trials = {row["trial_id"]: row for row in rows}
    return [
        {
            "id": trial_id,
            "method": content.methods.index(row["unlearner"]) if row["unlearner"] else 0,
            "params": _params(row),
            "state": states.get(trial_id, row["state"]),
        }
        for trial_id, row in trials.items()
    ]


def _describe_confirmed(content: SweepContent, rows: Sequence[Row]) -> Iterable[Plot]:
    """Yield the means of confirmed points over fresh seeds, each with the ends of its interval if it has one."""
    places = {(row["trial_id"], row["epoch"]): n for n, row in enumerate(rows)}
    for point in list_points(content.confirmations.values()):
        place = places.get((point.searched["trial_id"], point.searched["epoch"]))
        means = {name: point.over_seeds(name) for name in content.axes}
        if place is None or not point.repeats:
            continue
        values = {name: _list_ends(name, found) for name, found in means.items() if found}
        yield {"point": place, "seeds": len(point.repeats), "values": values}


def _list_ends(name: str, found: Estimate) -> list[float | None]:
    """Return a mean, and the ends of its interval if it has one."""
    ends = found.clip(*find_bounds(name)) if found.has_interval else ()
    return [_short(value) for value in (found.mean, *ends)]


def _rank(content: SweepContent, row: Row) -> int:
    """Return 3 for the recommended point, 2 and 1 for points of the front (1: tied), 0 for the others."""
    if row is content.front.recommended:
        return 3
    if not content.front.is_on(row):
        return 0
    return 1 if content.front.is_tied(row) else 2


def _side(row: Row) -> str:
    """Return over, under, or nothing."""
    kind = find_kind(row)
    return "" if kind == NEITHER else kind.partition("-")[0]


def _band(content: SweepContent, name: str) -> list[float | None] | None:
    band = content.front.find_band(name) if name in METRICS else None
    return None if band is None else [_short(end) for end in band]


def _params(row: Row) -> dict[str, Any]:
    params = json.loads(row["params"] or "{}")
    return {name: _short(v) if isinstance(v, float) else v for name, v in params.items()}


def _short(value: float | None) -> float | None:
    """Return a number with five digits: more cannot be seen, and doubles the size of a page."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.5g}") if isinstance(value, float) else value
