"""Real trials, recorded once, and a surrogate of them: a search then takes seconds.

    python -m benchmarks.replay.recorder --task digits-class:1     # record; see there
    python -m benchmarks.replay.recorded [--storage results/recorded]

writes what is recorded of these tasks in benchmarks/data/trials.parquet anew; the trials of others stay.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.results.objectives import STEERING
from orchestrator.results.store import read_results
from tasks.search_space import EPOCHS, Domain, search_space
from tasks.unlearners import unlearner_class

Row = dict[str, Any]
TRIALS = Path(__file__).parents[1] / "data" / "trials.parquet"

MEASURED = ("complete", "pruned")
"""States of rows with metrics."""
KEPT = [
    "task", "role", "unlearner", "trial_id", "params", "epoch", "state", *STEERING,
    "load_seconds", "unlearn_seconds", "evaluate_seconds", "relative_cost", "threads", "device",
]  # fmt: skip


def main() -> None:
    """Write the recorded trials."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--storage", default="results/recorded", help="of benchmarks.replay.recorder"
    )
    parser.add_argument("--out", type=Path, default=TRIALS)
    options = parser.parse_args()
    table = read_results(options.storage).select(KEPT)
    if options.out.exists():
        before = pq.read_table(options.out)
        others = pc.invert(pc.is_in(before["task"], value_set=pc.unique(table["task"])))
        table = pa.concat_tables([before.filter(others), table.replace_schema_metadata()])
    table = table.sort_by([(name, "ascending") for name in SORTED])
    pq.write_table(table.replace_schema_metadata(), options.out, compression="zstd")
    print(f"wrote {len(table)} points to {options.out}")


SORTED = ("task", "role", "trial_id", "epoch")


def recorded(task: str, file: Path = TRIALS) -> list[Row]:
    """The recorded points of a task, baselines included.

    Seconds of unlearning are the share of a retrain's FLOPs times a retrain's seconds on one thread, and
    every point is evaluated as fast as the fastest was: what else the machine did while it recorded
    makes no difference.
    """
    table = pq.read_table(file)
    rows = table.filter(pc.equal(table["task"], task)).to_pylist()
    # Other work only slows a training down. Before 0.2.0 one used all threads, as if speed grew with them.
    retrain = min(
        row["unlearn_seconds"] * (row["threads"] or 1) for row in rows if row["role"] == "retrained"
    )
    evaluated = {
        id(row): n for t in by_trial(rows, MEASURED).values() for n, row in enumerate(t, 1)
    }
    fastest = min(
        row["evaluate_seconds"] / evaluated[id(row)] for row in rows if id(row) in evaluated
    )
    return [
        {
            **row,
            "unlearn_seconds": row["relative_cost"] * retrain,
            "evaluate_seconds": fastest * evaluated.get(id(row), 1),
        }
        for row in rows
        if row["state"] in MEASURED
    ]


def by_trial(rows: Iterable[Row], states: Collection[str] = ("complete",)) -> dict[str, list[Row]]:
    """The points in these states of each trial that has any, in order of epoch."""
    trials: dict[str, list[Row]] = {}
    for row in rows:
        if row["role"] == "trial" and row["state"] in states:
            trials.setdefault(row["trial_id"], []).append(row)
    return trials


def seconds(points: Sequence[Row]) -> float:
    """Compute seconds of a trial that ended with these points."""
    last = points[-1]
    return last["load_seconds"] + last["unlearn_seconds"] + last["evaluate_seconds"]


class Surrogate:
    """What a trial of one method would have measured: a random forest over its recorded points."""

    def __init__(self, unlearner: str, trials: Sequence[Sequence[Row]], seed: int = 0) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self._class = unlearner_class(unlearner)
        self._space = search_space(self._class)
        self._defaults = self._class().params
        points = [row for rows in trials for row in rows]
        self._forest = RandomForestRegressor(30, min_samples_leaf=2, random_state=seed)
        self._forest.fit(
            [self._features(json.loads(row["params"]), row["epoch"]) for row in points],
            [
                [*(row[name] for name in STEERING), math.log(row["unlearn_seconds"] / row["epoch"])]
                for row in points
            ],
        )
        self._cost = points[0]["relative_cost"] / points[0]["unlearn_seconds"]
        """Share of a retrain in a second: the same for all recorded points."""
        self._load = min(rows[-1]["load_seconds"] for rows in trials)
        self._evaluate = sum(rows[-1]["evaluate_seconds"] for rows in trials) / len(points)

    def trajectory(self, params: Mapping[str, Any]) -> list[Row]:
        """The points of a trial with these hyper-parameters."""
        last = params.get(EPOCHS, 1)
        epochs = range(1, last + 1) if self._class.anytime else [last]
        predicted = self._forest.predict([self._features(params, epoch) for epoch in epochs])
        pace = math.exp(predicted[-1][2])  # one for the whole trial: its seconds must add up
        return [
            {
                **dict(zip(STEERING, map(float, point[:2]), strict=True)),
                "epoch": epoch,
                "state": "complete",
                "load_seconds": self._load,
                "unlearn_seconds": pace * epoch,
                "relative_cost": pace * epoch * self._cost,
                "evaluate_seconds": self._evaluate * number,
            }
            for number, (epoch, point) in enumerate(zip(epochs, predicted, strict=True), 1)
        ]

    def _features(self, params: Mapping[str, Any], epoch: int) -> list[float]:
        whole = {
            **self._defaults,
            **params,
        }  # it may have been recorded before a setting existed
        searched = [scaled(self._space[n], whole[n]) for n in self._space if n != EPOCHS]
        return [*searched, float(epoch)]


def scaled(domain: Domain, value: Any) -> float:
    """A hyper-parameter's value on the scale it is searched on."""
    if getattr(domain, "log", False):
        return math.log(value)
    choices = getattr(domain, "choices", None)
    return float(choices.index(value) if choices else value)


if __name__ == "__main__":
    main()
