"""Early stopping, replayed on recorded trials: what it saves, what it costs.

    python -m benchmarks.replay.early_stopping [--costs 0.25,0.5,1]

Each trial of random search is ended where `--cost-limit` would have ended it. Saved is the share of all compute
seconds; lost are points of the whole front that lie after an end.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.replay.recorded import TRIALS, Row, by_trial, recorded, seconds
from benchmarks.report import RESULTS, show, write
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.pareto import compute_hypervolume, find_front
from orchestrator.worker.early_stopping import Limits

PARETO = OBJECTIVES["pareto"]


def main() -> None:
    """Replay every limit on every task, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", default="digits-class:1,digits-random:0.1")
    parser.add_argument("--costs", default="0.25,0.5,1")
    parser.add_argument("--trials", type=Path, default=TRIALS, help="recorded trials")
    parser.add_argument("--out", type=Path, default=RESULTS / "early_stopping.parquet")
    options = parser.parse_args()
    rows = [
        {"task": task, "cost": cost, **replayed(recorded(task, options.trials), cost)}
        for task in options.tasks.split(",")
        for cost in map(float, options.costs.split(","))
    ]
    write(rows, options.out)
    show(
        "Recorded trials, ended at a cost",
        ["task", "limit", "seconds saved", "hypervolume kept", "ended", "front", "lost"],
        [
            [
                row["task"],
                f"cost {row['cost']:g}",
                f"{row['saved']:.1%}",
                f"{row['hypervolume']:.5f}", f"{row['ended']}/{row['trials']}",
                f"{row['front']}", f"{row['lost']}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def replayed(rows: Sequence[Row], cost: float) -> dict[str, Any]:
    """Replay recorded trials with a limit of their cost."""
    trials = list(by_trial(rows).values())
    kept = [until_the_end(points, Limits(cost)) for points in trials]
    whole, rest = (select_front([row for points in t for row in points]) for t in (trials, kept))
    survivors = {place(row) for row in rest}
    lost = [row for row in whole if place(row) not in survivors]
    before, after = (sum(seconds(points) for points in t) for t in (trials, kept))
    return {
        "saved": 1 - after / before,
        "hypervolume": volume(rest) / volume(whole),
        "trials": len(trials),
        "ended": sum(len(a) < len(b) for a, b in zip(kept, trials, strict=True)),
        "front": len(whole),
        "lost": len(lost),
    }


def until_the_end(points: Sequence[Row], limits: Limits) -> list[Row]:
    """The points that a trial has when it is ended at its limits."""
    kept = []
    for row in points:
        kept.append(row)
        if limits.why_ended(row["relative_cost"], row["epoch"], json.loads(row["params"])):
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
