"""Every metric of the original, the references and some methods, and what each metric takes.

    python -m benchmarks.metrics [--task digits-class:1] [--methods finetune,ssd,random-labels] [--markdown]
    python -m benchmarks.metrics --task cifar10-class:automobile --data-dir DIR --model resnet9:0.25 --recipe epochs=4

Methods run with their defaults. Seconds are the process's CPU seconds, on one thread: of the last method,
for which the references' part is known already, as it is from the second model of a process on; "first" is
that part. The forward passes of the row are not in it. Megabytes are the process's peak while the metric is
computed, above what it held before: the most of any model.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import RESULTS, show, write
from tasks.compute.allocator import keep_freed_memory
from tasks.evaluation import choose_metrics, every_metric, list_in_rows, metric_named
from tasks.evaluation.outputs import Evaluation
from tasks.models.network import Network
from tasks.references import use_references
from tasks.roles import ORIGINAL, reference_role
from tasks.task import Task
from tasks.unlearners import unlearner_class
from tasks.unlearners.base import begin_unlearning
from tasks.workbench import Workbench

RETRAINED = "retrained"
SLOW_SECONDS = 10
"""A metric that takes longer is told at once."""


def main() -> None:
    """Measure every model by every metric, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--recipe", help="settings NAME=VALUE,… of the training")
    parser.add_argument("--methods", default="finetune,ssd,random-labels")
    parser.add_argument("--metrics", default="all", help="on request; those of every row come too")
    parser.add_argument("--references", type=int, default=4)
    parser.add_argument("--storage", type=Path, help="where trained models are kept")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS / "metrics.parquet")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    asked = choose_metrics(options.metrics)
    with tempfile.TemporaryDirectory() as folder:
        task = Task.named(options.task, options.model, recipe=options.recipe)
        bench = build_bench(task, options.data_dir, options.storage or Path(folder))
        use_references(bench, options.references)
        rows = measure_models(bench, options.methods.split(","), asked)
    write(rows, options.out)
    print_table(rows, f"{options.task}, {options.references} references", options.markdown)


def build_bench(task: Task, data_dir: Path | None, storage: Path) -> Workbench:
    """Load the data of a task."""
    return Workbench(task, task.load(data_dir), storage / "artifacts", torch.device("cpu"))


def measure_models(
    bench: Workbench, methods: list[str], asked: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Give one row per metric and model: its value and its CPU seconds."""
    count = 0 if bench.references is None else len(bench.references)
    rows = measure_one(bench, ORIGINAL, bench.model(bench.artifact(ORIGINAL))[0], None, asked)
    for number in range(count):
        model = bench.model(bench.artifact(reference_role(number)))[0]
        rows += measure_one(bench, RETRAINED, model, number, asked)
    for method in methods:
        rows += measure_one(bench, method, unlearn(bench, method), None, asked)
    return rows


def unlearn(bench: Workbench, method: str) -> Network:
    """Run a method with its defaults to its end."""
    unlearner = unlearner_class(method)()
    problem, _ = bench.problem(unlearner, seed=0)
    for _ in begin_unlearning(unlearner, problem):
        pass
    return problem.model


def measure_one(
    bench: Workbench, who: str, model: Network, reference: int | None, asked: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Measure a model by each metric in turn."""
    evaluation: Evaluation = replace(
        bench.outputs(model),
        references=bench.references,
        reference=reference,
        original=bench._original_outputs,
        inside=bench._look_inside(model, reference),
    )
    rows = []
    for name in (*list_in_rows(), *asked):
        before, start = begin_peak(), time.process_time()
        value = metric_named(name)(evaluation)
        seconds = time.process_time() - start
        megabytes = None if before is None else read_status("VmHWM") - before
        rows.append(
            {
                "model": who,
                "metric": name,
                "value": value,
                "seconds": seconds,
                "megabytes": megabytes,
            }
        )
        if seconds > SLOW_SECONDS:
            print(f"{who}: {name} took {seconds:.0f} s", flush=True)
    return rows


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


def print_table(rows: list[dict[str, Any]], title: str, markdown: bool) -> None:
    """Print a line per metric: its value for each model, and its seconds."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    cells = []
    for name, metric in every_metric().items():
        found = [row for row in rows if row["metric"] == name]
        if not found:
            continue
        values = [
            spell([row["value"] for row in found if row["model"] == model]) for model in models
        ]
        seconds = [row["seconds"] for row in found]
        took = spell_time(seconds[-1]), spell_time(max(seconds[:2])), spell_peak(found)
        cells.append([name, metric.tier, spell_ideal(metric.best), *values, *took])
    header = ["metric", "tier", "ideal", *models, "ms", "first", "MB"]
    if not markdown:
        show(title, header, cells)
        return
    for line in (header, ["---"] * len(header), *cells):
        print(f"| {' | '.join(line)} |")


def spell(values: list[float | None]) -> str:
    """Spell the mean of a model's values, or of several references'."""
    found = [value for value in values if value is not None]
    return f"{round(sum(found) / len(found), 3) + 0.0:.3f}" if found else "–"  # no -0.000


def spell_time(seconds: float) -> str:
    """Spell seconds in milliseconds, with two digits."""
    return f"{float(f'{1e3 * seconds:.2g}'):g}"


def spell_peak(rows: list[dict[str, Any]]) -> str:
    """Spell the largest peak of memory, in whole megabytes."""
    found = [row["megabytes"] for row in rows if row["megabytes"] is not None]
    return f"{max(found):.0f}" if found else "–"


def spell_ideal(best: str | float) -> str:
    """Spell where the ideal is."""
    named = {"up": "↑", "down": "↓", "references": "r"}
    return f"{best:g}" if isinstance(best, float) else named[best]


if __name__ == "__main__":
    main()
