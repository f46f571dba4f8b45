"""Equal shares against adaptive ones: hypervolume over compute seconds, on recorded trials.

    python -m benchmarks.replay.allocation [--task digits-class:1] [--seeds 10] [--trials 12] [--picture FILE.png]

The trials of each method, drawn at random when they were recorded, are dealt out again in an order that the seed
decides; a method whose recorded trials have all been dealt out gets no more. The equal arm runs so many of each method:
its compute seconds and its hypervolume are the measure. The adaptive arm gets half of those seconds. Asked is how soon
it has 95 % of that hypervolume, and how soon equal shares themselves have it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.replay.recorded import MEASURED, TRIALS, by_trial, recorded, seconds
from benchmarks.report import RESULTS, show, write
from orchestrator.reporting.progress import Progress
from orchestrator.results.noise import NoiseFloor, find_noise_floor
from orchestrator.results.objectives import OBJECTIVES, FrontRule
from orchestrator.search.adaptive import Adaptive
from orchestrator.search.allocation import ADAPTIVE, EQUAL, Allocation
from orchestrator.sweeps.budget import ENDLESS

Row = dict[str, Any]
Trial = list[Row]
"""The recorded points of a trial, in order of epoch."""
Curve = list[tuple[float, float]]
"""Compute seconds and hypervolume after each trial."""
PARETO = OBJECTIVES["pareto"]
REACHED, SHARE, GIVEN = 0.95, 1 / 3, 0.5
"""Of the equal arm's hypervolume and compute seconds; and what the adaptive arm gets of the latter."""


def main() -> None:
    """Run both arms with every seed, print the table, write the Parquet file and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=12, help="per method, of the equal arm")
    parser.add_argument("--file", type=Path, default=TRIALS)
    parser.add_argument("--out", type=Path, default=RESULTS / "allocation.parquet")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    points = recorded(options.task, options.file)
    methods, floor = list_methods(points, options.trials), find_noise_floor(points)
    print(f"{options.task}: {len(methods)} methods", flush=True)
    rows: list[Row] = []
    for seed in range(options.seeds):
        equal = run(methods, floor, seed, trials=options.trials)
        if not equal[-1][1]:
            return print(
                "no recorded point beats the original beyond the noise: nothing to compare"
            )
        adaptive = run(methods, floor, seed, seconds_given=GIVEN * equal[-1][0])
        rows += [
            {
                "task": options.task,
                "arm": arm,
                "seed": seed,
                "seconds": spent,
                "hypervolume": volume,
            }
            for arm, curve in ((EQUAL, equal), (ADAPTIVE, adaptive))
            for spent, volume in curve
        ]
        write(rows, options.out)
        print(" ".join(measure_seed(equal, adaptive)), flush=True)
        if options.picture:
            draw(rows, options.picture)
    report(rows, options)


def list_methods(points: Sequence[Row], trials: int) -> dict[str, list[Trial]]:
    """List the recorded trials of each method that has so many."""
    methods: dict[str, list[Trial]] = {}
    for trial in by_trial(points, MEASURED).values():
        methods.setdefault(trial[0]["unlearner"], []).append(trial)
    return {name: found for name, found in methods.items() if len(found) >= trials}


def run(
    methods: Mapping[str, list[Trial]],
    floor: NoiseFloor | None,
    seed: int,
    trials: int | None = None,
    seconds_given: float = float("inf"),
) -> Curve:
    """Search: so many trials of each method in equal shares, or else adaptively for so many compute seconds."""
    counts = FrontRule.of(PARETO, floor).is_met
    rng = np.random.default_rng(seed)
    dealt = {name: [own[i] for i in rng.permutation(len(own))] for name, own in methods.items()}
    left = {name: trials or len(own) for name, own in dealt.items()}
    allocation = Allocation() if trials else Adaptive(PARETO, seed, counts=counts)
    progress = Progress(PARETO, ENDLESS, floor)
    spent, curve = 0.0, []
    while spent < seconds_given:
        name = allocation.choose({name: count for name, count in left.items() if count})
        if name is None:
            break
        left[name] -= 1
        rows = dealt[name].pop()
        spent += seconds(rows)
        allocation.note(name, rows)
        progress.finish(rows)
        curve.append((spent, progress.hypervolume))
    return curve


def find_moment(curve: Curve, volume: float) -> float:
    """Return the compute seconds after which a search has a hypervolume; infinite if it has not."""
    return next((spent for spent, found in curve if found >= volume), float("inf"))


def read_at(curve: Sequence[tuple[float, float]], moment: float) -> float:
    """Return the hypervolume at a moment of compute seconds."""
    return max((volume for spent, volume in curve if spent <= moment), default=0.0)


def measure_seed(equal: Curve, adaptive: Curve) -> list[str]:
    """Say of one seed how much of the compute each arm needs for 95 %, and what each has after a third of it."""
    whole, volume = equal[-1]
    needed = [find_moment(curve, REACHED * volume) / whole for curve in (adaptive, equal)]
    third = [read_at(curve, SHARE * whole) / volume for curve in (adaptive, equal)]
    return [f"{volume:.3f}", *(f"{n:.2f}" for n in needed), *(f"{share:.3f}" for share in third)]


def report(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Print the table: a line for each seed, and the means."""
    curves = list_curves(rows)
    lines = [[str(seed), *measure_seed(equal, adaptive)] for seed, equal, adaptive in curves]
    numbers = [[float(cell) for cell in line[1:]] for line in lines]
    lines.append(["mean", *(f"{mean(column):.3f}" for column in zip(*numbers, strict=True))])
    show(
        f"{options.task}: equal shares of {options.trials} trials a method, against adaptive ones",
        [
            "seed", "hypervolume of equal", "compute to 95 %: adaptive", "equal", "after a third: adaptive", "equal",
        ],
        lines,
    )  # fmt: skip


def list_curves(rows: Sequence[Row]) -> list[tuple[int, Curve, Curve]]:
    """List seed, equal and adaptive curve."""
    found: dict[int, dict[str, Curve]] = {}
    for row in rows:
        arms = found.setdefault(row["seed"], {EQUAL: [], ADAPTIVE: []})
        arms[row["arm"]].append((row["seconds"], row["hypervolume"]))
    return [(seed, arms[EQUAL], arms[ADAPTIVE]) for seed, arms in found.items()]


def draw(rows: Sequence[Row], file: Path) -> None:
    """Draw hypervolume over compute seconds: a thin line for each seed, a thick one for the mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    curves = list_curves(rows)
    longest = min(equal[-1][0] for _, equal, _ in curves)
    for number, (arm, colour, share) in enumerate(((EQUAL, "0.45", 1.0), (ADAPTIVE, "C0", GIVEN))):
        moments = np.linspace(0, share * longest, 200)
        volumes = [[read_at(pair[number], m) for m in moments] for _, *pair in curves]
        for line in volumes:
            axes.plot(moments, line, color=colour, alpha=0.25, linewidth=0.7)
        axes.plot(moments, np.mean(volumes, 0), color=colour, linewidth=2.2, label=arm)
    level = REACHED * mean(equal[-1][1] for _, equal, _ in curves)
    axes.axhline(level, color="0.7", linestyle=":", label="95 % of what equal shares end with")
    axes.axvline(SHARE * longest, color="0.85", linestyle="--", label="a third of the compute")
    axes.set(
        xlabel="compute seconds",
        ylabel="hypervolume",
        title=f"{rows[0]['task']}, {len(curves)} seeds",
    )
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
