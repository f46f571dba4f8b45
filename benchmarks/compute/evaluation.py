"""Evaluating one model: one pass a split for all metrics, against a pass per metric.

    python -m benchmarks.compute.evaluation [--tasks digits-class:1,cifar10-class:automobile --data-dir DIR]

The naive arm computes every metric on its own: the passes over the splits it reads, then the
metric. The model has fresh weights: how long it takes does not depend on what it has learned. The
arms take turns; ratios are to one pass a split, by medians.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.report import RESULTS, show, write
from tasks.compute.allocator import keep_freed_memory
from tasks.evaluation import list_in_rows, metric_named
from tasks.evaluation.outputs import Evaluation, Outputs, outputs
from tasks.evaluation.references import SPLITS as STORED
from tasks.evaluation.references import ReferenceOutputs
from tasks.models.network import Network
from tasks.task import Task
from tasks.workbench import Workbench

BEFORE = (
    "validation_accuracy", "test_accuracy", "test_accuracy_retained", "test_accuracy_forgotten", "retain_accuracy",
    "forget_accuracy", "mia_simple_accuracy", "mia_class_matched_accuracy", "loss_attack_indistinguishability",
    "validation_mia_class_matched_accuracy", "validation_loss_attack_indistinguishability",
)  # fmt: skip
"""The metrics of 0.1.0, before there were references and attackers."""
SPLITS = {
    "retain": "_probe",
    "forget": "forget",
    "validation": "_validation",
    "test": "_test",
}


def main() -> None:
    """Measure every arm on every task, print the table, write the Parquet file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", default="digits-class:1")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="as a trial has")
    parser.add_argument("--references", type=int, default=4, help="0: without them")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "evaluation.parquet")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    rows = [
        {"task": task, **row}
        for task in options.tasks.split(",")
        for row in measured(task, options.data_dir, options.repeats, options.references)
    ]
    write(rows, options.out)
    seconds: dict[tuple[str, str], float] = {
        (r["task"], r["arm"]): median(s["seconds"] for s in rows if same(s, r)) for r in rows
    }
    show(
        f"All metrics of a row, of one model, {options.threads} threads",
        ["arm", "task", "ratio", "ms"],
        [
            [arm, task, f"{s / seconds[task, 'one pass a split']:.2f}", f"{1e3 * s:,.0f}"]
            for (task, arm), s in seconds.items()
        ],
    )


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two rows are repeats of one measurement."""
    return (a["task"], a["arm"]) == (b["task"], b["arm"])


def measured(
    task: str, data_dir: Path | None, repeats: int, references: int
) -> list[dict[str, Any]]:
    """One row per arm and repeat."""
    chosen = Task.named(task)
    with tempfile.TemporaryDirectory() as artifacts:
        dataset = chosen.load(data_dir)
        bench = Workbench(chosen, dataset, Path(artifacts), torch.device("cpu"))
    model = untrained(bench, 0)
    if references:
        seen = [bench.outputs(untrained(bench, 1 + number)) for number in range(references)]
        bench.references = ReferenceOutputs(
            **{name: np.stack([getattr(one, name).logits for one in seen]) for name in STORED}
        )
    arms: dict[str, Callable[[], object]] = {
        "one pass a split": lambda: bench.evaluate(model),
        "the metrics of 0.1.0": lambda: measure_before(bench, model),
        "its passes alone": lambda: [outputs(model, getattr(bench, s)) for s in SPLITS.values()],
        "a pass per metric": lambda: naive(bench, model),
    }
    assert bench.evaluate(model) == naive(bench, model)
    rows = []
    for repeat in range(repeats):
        for arm, work in arms.items():
            start = time.perf_counter()
            work()
            rows.append({"arm": arm, "repeat": repeat, "seconds": time.perf_counter() - start})
    return rows


def untrained(bench: Workbench, seed: int) -> Network:
    """A model with fresh weights."""
    model, rng = bench.fresh_model(), bench.generator(seed)
    model.initialise(bench.retain.sample(100, rng), rng)
    return model


class PassOnDemand:
    """An Evaluation that runs the model over a split whenever a metric looks at it."""

    def __init__(self, bench: Workbench, model: Network) -> None:
        self._bench, self._model = bench, model
        self.forgotten_classes = bench._forgotten_classes
        self.references, self.reference = bench.references, None
        self.taught_errors = bench._taught_errors

    held_out = Evaluation.held_out
    mean_over_references = Evaluation.mean_over_references

    def __getattr__(self, name: str) -> Outputs:
        return outputs(self._model, getattr(self._bench, SPLITS[name]))


def measure_before(bench: Workbench, model: Network) -> list[float | None]:
    """The metrics of 0.1.0, with one pass a split."""
    seen = bench.outputs(model)
    return [metric_named(name)(seen) for name in BEFORE]


def naive(bench: Workbench, model: Network) -> dict[str, float | None]:
    """Every metric by itself."""
    return {
        name: metric_named(name).function(PassOnDemand(bench, model))  # type: ignore[arg-type]
        for name in list_in_rows()
    }


if __name__ == "__main__":
    main()
