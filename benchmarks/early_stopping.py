"""Early stopping, replayed on recorded trials: what it saves, what it costs.

    python -m benchmarks.early_stopping [--floors 0.2,0.4,0.6,0.8] [--costs 0.5,1]

Each trial of random search is ended where `--utility-floor`, or `--cost-limit`, would have ended it. Saved is the share
of all compute seconds; recovered are trials that would have climbed back above the floor; lost are
points of the whole front that lie after an end, of use those of them above the floor.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.recorded import TRIALS, Row, by_trial, recorded, seconds
from benchmarks.report import RESULTS, show, write
from orchestrator.results.objectives import OBJECTIVES, STEERING
from orchestrator.results.pareto import compute_hypervolume, find_front
from orchestrator.worker.early_stopping import Limits

PARETO = OBJECTIVES["pareto"]


def main() -> None:
    """Replay every floor on every task, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", default="digits-class:1,digits-random:0.1")
    parser.add_argument("--floors", default="0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0.95")
    parser.add_argument("--costs", default="0.25,0.5,1")
    parser.add_argument("--trials", type=Path, default=TRIALS, help="recorded trials")
    parser.add_argument("--out", type=Path, default=RESULTS / "early_stopping.parquet")
    options = parser.parse_args()
    limits = [(float(floor), math.inf) for floor in options.floors.split(",")]
    limits += [(0.0, float(cost)) for cost in options.costs.split(",")]
    rows = [
        {
            "task": task,
            "floor": floor,
            "cost": cost,
            **replayed(recorded(task, options.trials), floor, cost),
        }
        for task in options.tasks.split(",")
        for floor, cost in limits
    ]
    write(rows, options.out)
    show(
        "Recorded trials, ended at a floor or at a cost",
        ["task", "limit", "seconds saved", "hypervolume kept", "ended", "recovered", "front", "lost", "of use"],
        [
            [
                row["task"],
                f"floor {row['floor']:g}" if row["floor"] else f"cost {row['cost']:g}",
                f"{row['saved']:.1%}",
                f"{row['hypervolume']:.5f}", f"{row['ended']}/{row['trials']}",
                f"{row['recovered']}", f"{row['front']}", f"{row['lost']}", f"{row['lost_of_use']}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def replayed(rows: Sequence[Row], share: float, cost: float) -> dict[str, Any]:
    """What limits do to recorded trials: a floor of `share` of the retrained model's accuracy, and a cost."""
    retrained = next(row for row in rows if row["role"] == "retrained")
    floor = share * retrained[STEERING[0]]
    trials = list(by_trial(rows).values())
    kept = [until_the_end(points, Limits(floor, cost)) for points in trials]
    whole, rest = (select_front([row for points in t for row in points]) for t in (trials, kept))
    survivors = {place(row) for row in rest}
    lost = [row for row in whole if place(row) not in survivors]
    before, after = (sum(seconds(points) for points in t) for t in (trials, kept))
    return {
        "saved": 1 - after / before,
        "hypervolume": volume(rest) / volume(whole),
        "trials": len(trials),
        "ended": sum(len(a) < len(b) for a, b in zip(kept, trials, strict=True)),
        "recovered": sum(
            any(row[STEERING[0]] >= floor for row in all_points[len(points) :])
            for points, all_points in zip(kept, trials, strict=True)
        ),
        "front": len(whole),
        "lost": len(lost),
        "lost_of_use": sum(row[STEERING[0]] >= floor for row in lost),
    }


def until_the_end(points: Sequence[Row], limits: Limits) -> list[Row]:
    """The points that a trial has when it is ended at its limits."""
    kept = []
    for row in points:
        kept.append(row)
        if limits.why_ended(row, row["relative_cost"], row["epoch"], json.loads(row["params"])):
            break
    return kept


def place(row: Row) -> tuple[str, int]:
    """Which point it is."""
    return row["trial_id"], row["epoch"]


def select_front(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other dominates."""
    measured = [(row, gains) for row in rows if (gains := PARETO.gains(row)) is not None]
    return [measured[i][0] for i in find_front([gains for _, gains in measured])]


def volume(rows: Sequence[Row]) -> float:
    """The hypervolume as a sweep reports it."""
    points = [PARETO.gains(row) or () for row in rows]
    return compute_hypervolume(points, (0.0, 0.0, -1.0))


if __name__ == "__main__":
    main()
