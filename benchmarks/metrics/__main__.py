"""Every metric of the original, the references and some methods, and what each metric takes.

    python -m benchmarks.metrics [--task digits-class:1] [--methods finetune,ssd] [--shadows 16] [--markdown]
    python -m benchmarks.metrics --task cifar10-small-class:automobile --data-dir DIR --storage DIR --references 3
    python -m benchmarks.metrics --tables benchmarks/data/metrics.parquet --markdown

Methods run with their defaults. What is trained is kept under --storage, where the same command goes on. Seconds are
the process's CPU seconds, on one thread: of the last method, for which the references' part is known already, as it is
from the second model of a process on; "first" is that part. The forward passes of the row are not in it. Megabytes are
the process's peak while the metric is computed, above what it held before: the most of any model.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.metrics.tables import print_tables, read_rows, replace_rows
from benchmarks.report import RESULTS
from tasks.evaluation import choose_metrics
from tasks.task import Task


def main() -> None:
    """Measure every model of a task by every metric, write the Parquet file, print its tables."""
    options = parse_options()
    if options.tables is not None:
        print_tables(read_rows(options.tables), options.markdown)
        return
    from benchmarks.metrics.measuring import measure_task

    asked = choose_metrics(options.metrics)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_task(
            Task.named(options.task, options.model, recipe=options.recipe),
            options.data_dir,
            options.storage or Path(folder),
            options.methods.split(","),
            asked,
            options.references,
            options.shadows,
        )
    replace_rows(rows, options.out)
    print_tables(rows, options.markdown)


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--recipe", help="settings NAME=VALUE,… of the training")
    parser.add_argument("--methods", default="finetune,ssd,random-labels")
    parser.add_argument("--metrics", default="all", help="on request; those of every row come too")
    parser.add_argument("--references", type=int, default=4)
    parser.add_argument(
        "--shadows", type=int, default=0, help="shadow models, a multiple of 4, for the metrics that read them"
    )  # fmt: skip
    parser.add_argument("--storage", type=Path, help="where trained models are kept")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS / "metrics.parquet",
        help="what it has of other tasks and metrics stays",
    )
    parser.add_argument("--tables", type=Path, help="print what such a file holds, and run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
