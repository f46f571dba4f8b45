"""Every metric of the original, the references and some methods, and what each metric takes.

    python -m benchmarks.metrics [--task digits-class:1] [--methods finetune,ssd,random-labels] [--markdown]

Methods run with their defaults. Seconds are the process's CPU seconds, on one thread: of the last method,
for which the references' part is known already, as it is from the second model of a process on; "first" is
that part. The forward passes of the row are not in it.
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


def main() -> None:
    """Measure every model by every metric, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--data-dir", type=Path)
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
        bench = build_bench(options.task, options.data_dir, options.storage or Path(folder))
        use_references(bench, options.references)
        rows = measure_models(bench, options.methods.split(","), asked)
    write(rows, options.out)
    print_table(rows, f"{options.task}, {options.references} references", options.markdown)


def build_bench(name: str, data_dir: Path | None, storage: Path) -> Workbench:
    """Load a task and its data."""
    task = Task.named(name)
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
        start = time.process_time()
        value = metric_named(name)(evaluation)
        seconds = time.process_time() - start
        rows.append({"model": who, "metric": name, "value": value, "seconds": seconds})
    return rows


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
        took = f"{1e3 * seconds[-1]:.2g}", f"{1e3 * max(seconds[:2]):.2g}"
        cells.append([name, metric.tier, spell_ideal(metric.best), *values, *took])
    header = ["metric", "tier", "ideal", *models, "ms", "first"]
    if not markdown:
        show(title, header, cells)
        return
    for line in (header, ["---"] * len(header), *cells):
        print(f"| {' | '.join(line)} |")


def spell(values: list[float | None]) -> str:
    """Spell the mean of a model's values, or of several references'."""
    found = [value for value in values if value is not None]
    return f"{sum(found) / len(found):.3f}" if found else "–"


def spell_ideal(best: str | float) -> str:
    """Spell where the ideal is."""
    named = {"up": "↑", "down": "↓", "references": "r"}
    return f"{best:g}" if isinstance(best, float) else named[best]


if __name__ == "__main__":
    main()
