"""Search on a surrogate of recorded trials: which sampler, and do anytime trials pay?

    python -m benchmarks.replay.search [--task digits-class:1] [--seeds 20] [--seconds 120]

Every arm gets the same compute seconds: what its trials would have spent loading, unlearning and
evaluating, as recorded; the seconds of the search itself are a column of their own. The studies,
the equal budgets and the hypervolume are the program's own; the trials alone are predicted.

    kept    each epoch of an anytime method is a point of the front; the study is told the last one
    last    the last epoch alone is evaluated: what a search without anytime trials does
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import optuna

from benchmarks.replay.recorded import MEASURED, Surrogate, by_trial, recorded, seconds
from benchmarks.report import RESULTS, show, write
from orchestrator.execution.searcher import StudySearch
from orchestrator.reporting.progress import Progress
from orchestrator.results.noise import NoiseFloor, find_noise_floor
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.study import UnlearnerStudy
from orchestrator.sweeps.budget import ENDLESS

Row = dict[str, Any]
PARETO = OBJECTIVES["pareto"]
MODES = ("kept", "last")
CHECKS = 20
"""Times the hypervolume is read, at equal distances of compute seconds."""


def main() -> None:
    """Run every arm with every seed, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0, help="of compute, for each arm")
    parser.add_argument(
        "--samplers", default="random,tpe,nsgaii,nsgaiii", help="gp too takes minutes"
    )
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--out", type=Path, default=RESULTS / "search.parquet")
    options = parser.parse_args()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    points = recorded(options.task)
    surrogates, floor = learned(points), find_noise_floor(points)
    rows = []
    arms = itertools.product(options.samplers.split(","), options.modes.split(","))
    for sampler, mode in arms:
        for seed in range(options.seeds):
            run = Run(surrogates, floor, sampler, mode, seed)
            rows += [
                {"sampler": sampler, "mode": mode, "seed": seed, **r}
                for r in run.curve(options.seconds)
            ]
        print(sampler, mode, "done", flush=True)
    write(rows, options.out)
    report(rows, options)


def learned(points: Sequence[Row]) -> dict[str, Surrogate]:
    """A surrogate per method."""
    methods: dict[str, list[list[Row]]] = {}
    # One that was ended for its cost measured as well what it measured.
    for trial in by_trial(points, MEASURED).values():
        methods.setdefault(trial[0]["unlearner"], []).append(trial)
    return {name: Surrogate(name, trials) for name, trials in methods.items()}


class Run:
    """One search over the surrogates."""

    def __init__(
        self,
        surrogates: Mapping[str, Surrogate],
        floor: NoiseFloor | None,
        sampler: str,
        mode: str,
        seed: int,
    ) -> None:
        self._surrogates, self._mode = surrogates, mode
        studies = [UnlearnerStudy(name, PARETO, sampler, seed) for name in surrogates]
        left = dict.fromkeys(surrogates, ENDLESS)
        self._search = StudySearch(studies, left, "task", lambda _: [])
        self._progress = Progress(PARETO, ENDLESS, floor)
        self._spent = self._asking = 0.0
        self._trials = 0

    def curve(self, budget: float) -> list[Row]:
        """The hypervolume after each CHECKS-th part of the budget."""
        rows = []
        for check in range(1, CHECKS + 1):
            while self._spent < budget * check / CHECKS:
                self._trial()
            rows.append(
                {
                    "seconds": budget * check / CHECKS,
                    "hypervolume": self._progress.hypervolume,
                    "trials": self._trials,
                    "search_ms": 1e3 * self._asking / self._trials,
                }
            )
        return rows

    def _trial(self) -> None:
        name = str(self._trials)
        start = time.perf_counter()
        trial = self._search.suggest(name)
        self._asking += time.perf_counter() - start
        rows = self._surrogates[trial["unlearner"]].trajectory(trial["params"])
        if self._mode == "last":
            per_point = rows[0]["evaluate_seconds"]
            rows = [{**rows[-1], "evaluate_seconds": per_point}]
        self._spent += seconds(rows)
        self._progress.finish(rows)
        start = time.perf_counter()
        self._search.on_trial_complete(name, {"rows": rows})
        self._asking += time.perf_counter() - start
        self._trials += 1


def report(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """The table: how far each arm stays from the best hypervolume that any reached, against random."""
    best = max(row["hypervolume"] for row in rows)
    arms: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        arms.setdefault((row["sampler"], row["mode"]), []).append(row)
    base = arms.get(("random", MODES[0]), next(iter(arms.values())))
    show(
        f"Search of {options.seconds:g} compute seconds, {options.task}, {options.seeds} seeds: "
        f"gap to the best hypervolume seen, {best:.4f}",
        ["arm", "gap / random's", "on the way", "hypervolume", "trials", "ms a proposal"],
        [[" ".join(arm), *line(mine, base, best)] for arm, mine in arms.items()],
    )


def line(rows: Sequence[Row], base: Sequence[Row], best: float) -> list[str]:
    """A line: gaps at the end and on average over the budget, as shares of random search's."""
    end = [[r for r in part if r["seconds"] == rows[-1]["seconds"]] for part in (rows, base)]
    means = [[mean_gap(part, seed, best) for seed in seeds(part)] for part in (rows, base)]
    ends = [[best - r["hypervolume"] for r in part] for part in end]
    return [
        *(shares(mine, theirs) for mine, theirs in (ends, means)),
        spread([row["hypervolume"] for row in end[0]], ".4f"),
        f"{mean(row['trials'] for row in end[0]):.0f}",
        f"{mean(row['search_ms'] for row in end[0]):.0f}",
    ]


def shares(gaps: Sequence[float], base: Sequence[float]) -> str:
    """Gaps as shares of the mean of others, if these leave any."""
    return spread([gap / mean(base) for gap in gaps], ".2f") if mean(base) > 0 else "-"


def seeds(rows: Sequence[Row]) -> list[int]:
    """The seeds of an arm's runs."""
    return sorted({row["seed"] for row in rows})


def mean_gap(rows: Sequence[Row], seed: int, best: float) -> float:
    """The gap to the best hypervolume, averaged over a run's budget."""
    return mean(best - row["hypervolume"] for row in rows if row["seed"] == seed)


def spread(values: Sequence[float], form: str) -> str:
    """Mean ± standard error."""
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{mean(values):{form}} ± {error:{form}}"


if __name__ == "__main__":
    main()
