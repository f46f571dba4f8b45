"""The table's points that a search may begin with: orchestrator/search/first/known_points.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.results.objectives import STEERING
from orchestrator.search.first.known_points import FILE
from tasks.search_space import EPOCHS

Row = Mapping[str, Any]


def list_known(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return a point for each task and method of the table: what its search recommended, by validation columns alone.

    Repeats with other seeds, and what the search did not find better than the original, are left out.
    """
    found = [row for row in rows if row["role"] == "trial" and row["chosen"] == "recommended"]
    return sorted(
        (
            {
                "task": row["task"],
                "unlearner": row["unlearner"],
                "params": _cut(row),
                **{name: round(row[name], 4) for name in (*STEERING, "relative_cost")},
            }
            for row in found
            if not row["confirms"]
        ),
        key=lambda point: (point["task"], point["unlearner"]),
    )


def write_known(rows: Iterable[Row]) -> None:
    """Write the points into the package, one a line."""
    lines = ",\n".join(json.dumps(point, sort_keys=True) for point in list_known(rows))
    FILE.write_text(f"[\n{lines}\n]\n")


def _cut(row: Row) -> dict[str, Any]:
    """Return the hyper-parameters with which a trial ends at this point."""
    params = json.loads(row["params"])
    return {**params, **({EPOCHS: row["epoch"]} if EPOCHS in params and row["epoch"] else {})}
