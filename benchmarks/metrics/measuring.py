"""Each metric of each model in turn: its value, its CPU seconds, and the memory that it takes."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tasks.compute.allocator import keep_freed_memory
from tasks.evaluation import list_in_rows, list_of_shadows, metric_named
from tasks.evaluation.outputs import Evaluation
from tasks.models.network import Network
from tasks.references import use_references
from tasks.roles import ORIGINAL, RETRAINED, reference_role
from tasks.shadows.limits import can_study
from tasks.shadows.study import make_shadows
from tasks.task import Task
from tasks.unlearners import unlearner_class
from tasks.unlearners.base import Unlearner, begin_unlearning
from tasks.workbench import Workbench

Row = dict[str, Any]
SLOW_SECONDS = 10
"""A metric that takes longer is told at once."""
SEED = 0


def measure_task(
    task: Task,
    data_dir: Path | None,
    storage: Path,
    methods: list[str],
    asked: Collection[str],
    references: int,
    shadows: int = 0,
) -> list[Row]:
    """Give one row per metric and model of a task; its models are kept under `storage`."""
    torch.set_num_threads(1)
    keep_freed_memory()
    place = storage / "artifacts"
    bench = Workbench(task, task.load(data_dir), place, torch.device("cpu"))
    use_references(bench, references, tell_training)
    rows = [*measure_models(bench, methods, asked, shadows)]
    return [
        {"task": task.name, "references": references, "shadows": shadows, **row} for row in rows
    ]


def measure_models(
    bench: Workbench, methods: list[str], asked: Collection[str], shadows: int
) -> list[Row]:
    """Measure the original, the references, then each method with its defaults; that also by shadow models."""
    names = (*list_in_rows(), *asked)
    count = 0 if bench.references is None else len(bench.references)
    rows = measure_one(ORIGINAL, look_at(bench, bench.model(bench.artifact(ORIGINAL))[0]), names)
    for number in range(count):
        model = bench.model(bench.artifact(reference_role(number)))[0]
        rows += measure_one(RETRAINED, look_at(bench, model, number), names)
    for method in methods:
        unlearner = unlearner_class(method)()
        seen = look_at(bench, unlearn(bench, unlearner))
        made, further = None, choose_of_shadows(unlearner, shadows, count)
        if further:
            made = make_shadows(bench, unlearner, SEED, shadows, tell_training)
        rows += measure_one(method, replace(seen, shadows=made), (*names, *further))
    return rows


def choose_of_shadows(unlearner: Unlearner, shadows: int, references: int) -> list[str]:
    """List the metrics by shadow models that can judge a method; none without such models."""
    names = list_of_shadows() if shadows else ()
    return [
        name
        for name in names
        if can_study(unlearner, {metric_named(name).needs}, shadows, references)
    ]


def look_at(bench: Workbench, model: Network, reference: int | None = None) -> Evaluation:
    """Pass a model over all splits, and give what its metrics get."""
    return replace(
        bench.outputs(model),
        references=bench.references,
        reference=reference,
        original=bench._original_outputs,
        inside=bench._look_inside(model, reference),
    )


def unlearn(bench: Workbench, unlearner: Unlearner) -> Network:
    """Run a method to its end."""
    problem, _ = bench.problem(unlearner, SEED)
    for _ in begin_unlearning(unlearner, problem):
        pass
    return problem.model


def measure_one(who: str, evaluation: Evaluation, names: Collection[str]) -> list[Row]:
    """Measure a model by each metric in turn."""
    rows = []
    for name in names:
        before, start = begin_peak(), time.process_time()
        value = metric_named(name)(evaluation)
        seconds = time.process_time() - start
        grown = None if before is None else read_status("VmHWM") - before
        rows.append(
            {"model": who, "metric": name, "value": value, "seconds": seconds, "megabytes": grown}
        )
        if seconds > SLOW_SECONDS:
            print(f"{who}: {name} took {seconds:.0f} s", flush=True)
    return rows


def tell_training(what: str, done: float, total: int, seconds: float) -> None:
    """Print that a model is trained."""
    if total and done == total:
        print(f"{what}: {seconds:.0f} s", flush=True)


def begin_peak() -> float | None:
    """Forget the process's peak memory, and return the megabytes that it holds; None if the kernel does not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM: man 5 proc
    except OSError:
        return None
    return read_status("VmRSS")


def read_status(name: str) -> float:
    """Read a size of this process from the kernel, in megabytes."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1]) * 1024 / 1e6
