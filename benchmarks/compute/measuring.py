"""Measuring what is needed, against measuring everything at each point: the same trials, in turn.

    python -m benchmarks.compute.measuring [--task cifar10-class:automobile --data-dir DIR --model resnet9:0.25]

Random search proposes the trials. Each runs twice in one process, once with either arm, which take turns at being
first; the worker of needed is told the front of its method so far, as in a sweep with one trial at a time. Seconds
are of the processor (on a GPU: of the clock), so that a neighbour on the machine does not count. Trials per hour are
those of one warm worker that never waits. The run ends with an error if a number that both arms have differs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import RESULTS, show, write
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import OBJECTIVES, FrontRule
from orchestrator.search.study import UnlearnerStudy
from orchestrator.worker.known_front import NOTHING, KnownFront
from tasks.compute.allocator import keep_freed_memory
from tasks.errors import Diverged
from tasks.references import use_references
from tasks.roles import ORIGINAL, RETRAINED, reference_role
from tasks.task import Task
from tasks.trial import ALL, Point, Thrift, baseline_point, run_trial
from tasks.unlearners import unlearner_class
from tasks.workbench import Workbench

Trial = dict[str, Any]
Row = dict[str, Any]
PARETO = OBJECTIVES["pareto"]
EVERYTHING, NEEDED = ARMS = "everything", "needed"
SPENT = "load_seconds", "unlearn_seconds", "evaluate_seconds"


def main() -> None:
    """Run every trial with both arms, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--recipe")
    parser.add_argument("--unlearners", default="finetune,gradient-ascent,random-labels")
    parser.add_argument("--trials", type=int, default=8, help="per unlearner")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--storage", type=Path, help="where trained models are kept")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, default=RESULTS / "measuring.parquet")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    if options.device == "cpu":
        time.perf_counter = time.process_time  # what the stopwatches of a trial read
    with tempfile.TemporaryDirectory() as scratch:
        bench = open_bench(options, (options.storage or Path(scratch)).absolute())
        rule = FrontRule.of(PARETO, find_noise_floor(measure_models(bench)))
        rows = [
            row
            for name in options.unlearners.split(",")
            for row in compare(bench, name, options.trials, rule)
        ]
    shared = {name: getattr(options, name) for name in ("task", "model", "device", "threads")}
    write([{**row, **shared} for row in rows], options.out)
    header = ["method", "points", "measured whole", "evaluation / unlearning: everything", "needed",
              "evaluation: needed / everything", "trials per hour: needed / everything"]  # fmt: skip
    methods = [*dict.fromkeys(row["unlearner"] for row in rows), "all"]
    lines = [line(m, [r for r in rows if m in ("all", r["unlearner"])]) for m in methods]
    show(f"{options.trials} trials a method of {options.task}, {options.model}", header, lines)


def open_bench(options: argparse.Namespace, artifacts: Path) -> Workbench:
    """A workbench with two references and a warm process."""
    task = Task.named(options.task, options.model, device=options.device, recipe=options.recipe)
    device = torch.device(options.device)
    bench = Workbench(task, task.load(options.data_dir), artifacts, device)
    use_references(bench, 2, lambda *progress: print(*progress, flush=True))
    list(run_trial(bench, unlearner_class("finetune").from_params({"epochs": 1}), 0))
    return bench


def measure_models(bench: Workbench) -> list[Row]:
    """What the rows of the original and of the references say."""
    roles = ORIGINAL, *map(reference_role, range(len(bench.references or ())))
    found = []
    for number, role in enumerate(roles, -1):
        trained = role != ORIGINAL
        point = baseline_point(
            bench, bench.artifact(role), trained_for_this=trained, reference=max(0, number)
        )
        found.append({**row_of(point), "role": RETRAINED if trained else ORIGINAL})
    return found


def compare(bench: Workbench, name: str, count: int, rule: FrontRule) -> list[Row]:
    """Run `count` trials of a method with both arms; a row for each trial and arm."""
    study = UnlearnerStudy(name, PARETO, "random", 0)
    known, rows = NOTHING, []
    for number in range(count):
        trial = study.ask("benchmark")
        found: dict[str, list[Point]] = {}
        for arm in ARMS if number % 2 else ARMS[::-1]:
            found[arm] = run(bench, trial, thrift_of(known, rule) if arm == NEEDED else None)
            rows.append(describe(arm, trial, found[arm]))
            print(rows[-1], flush=True)
        check_equal(found[EVERYTHING], found[NEEDED])
        known = known.join([row_of(point) for point in found[NEEDED]], rule)
    return rows


def thrift_of(known: KnownFront, rule: FrontRule) -> Callable[[list[Point]], Thrift]:
    """What the worker of a sweep makes of the front that it is told."""

    def make(points: list[Point]) -> Thrift:
        def is_wanted(point: Point) -> bool:
            own = known.join([row_of(p) for p in points], rule)
            return own.is_wanted(row_of(point), rule)

        return Thrift((), is_wanted)

    return make


def run(
    bench: Workbench, trial: Trial, make: Callable[[list[Point]], Thrift] | None
) -> list[Point]:
    """The points of a trial, up to its end or to where it diverges."""
    method = unlearner_class(trial["unlearner"]).from_params(trial["params"])
    points: list[Point] = []
    try:
        for point in run_trial(bench, method, trial["seed"], thrift=make and make(points)):
            points.append(point)
    except Diverged:
        pass
    return points


def row_of(point: Point) -> Row:
    """What a front reads of a point."""
    return {**point.metrics, **asdict(point.cost)}


def describe(arm: str, trial: Trial, points: list[Point]) -> Row:
    """What a trial took."""
    cost = asdict(points[-1].cost) if points else dict.fromkeys(SPENT, 0.0)
    whole = sum(point.measured == ALL for point in points)
    spent = {name: cost[name] for name in SPENT}
    return {"arm": arm, "unlearner": trial["unlearner"], "trial": trial["trial_id"], "points": len(points),
            "whole": whole, **spent}  # fmt: skip


def check_equal(everything: list[Point], needed: list[Point]) -> None:
    """Raise if the arms differ in a number of a point that both measured whole."""
    for one, other in zip(everything, needed, strict=True):
        if other.measured == ALL and one.metrics != other.metrics:
            raise AssertionError(f"epoch {one.epoch} differs: {one.metrics} {other.metrics}")


def line(name: str, rows: list[Row]) -> list[str]:
    """A line of the table."""
    spent = {
        arm: {n: sum(row[n] for row in rows if row["arm"] == arm) for n in SPENT} for arm in ARMS
    }
    shares = {a: s["evaluate_seconds"] / s["unlearn_seconds"] for a, s in spent.items()}
    mine = [row for row in rows if row["arm"] == NEEDED]
    return [
        name,
        str(sum(row["points"] for row in mine)),
        str(sum(row["whole"] for row in mine)),
        *(f"{shares[arm]:.2f}" for arm in ARMS),
        f"{spent[NEEDED]['evaluate_seconds'] / spent[EVERYTHING]['evaluate_seconds']:.2f}",
        f"{sum(spent[EVERYTHING].values()) / sum(spent[NEEDED].values()):.2f}",
    ]


if __name__ == "__main__":
    main()
