"""Every method on every task, confirmed with fresh seeds, as tables.

    python -m benchmarks.methods [--task TASK[@MODEL]]... [--trials 8] [--seeds 3] [--write]

Stop it when you like; the same command goes on. See docs/methods.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.methods.comparison import compare_methods
from benchmarks.methods.defaults import explain_defaults
from benchmarks.methods.known import write_known
from benchmarks.methods.night import (
    Stage,
    estimate_night,
    lower_priority,
    plan_stages,
    run_night,
)
from benchmarks.methods.record import collect_rows, read_record, write_record
from benchmarks.methods.tables import render_markdown, write_tables
from orchestrator.config import SweepConfig
from orchestrator.sweeps.confirm import check_seeds
from tasks.errors import InputError, SurroundingsError

TASKS = (
    "cifar10-class:automobile@resnet9:0.25",
    "cifar10-random:0.1@resnet9-long:0.25",
)
"""What a night on two cores can do: a whole class, and a random set with a model that is meant to memorise."""
RECORD, MARKDOWN, LATEX = "methods.parquet", "methods.md", "methods.tex"
SHIPPED, DOCS = Path("benchmarks/data"), Path("docs")


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are left, then write the tables; returns the exit code."""
    options = parse_options(arguments)
    try:
        if not options.tables_only:
            run_stages(options)
        make_tables(options)
    except InputError as error:
        print(f"methods: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except SurroundingsError as error:
        print(f"methods: {' '.join(str(error).split())}; the same command goes on", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("methods: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.methods", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--task", action="append", metavar="TASK[@MODEL]", help=f"may be repeated [default: {', '.join(TASKS)}]"
    )  # fmt: skip
    parser.add_argument("--model", default="auto", help="of the tasks that name none")
    parser.add_argument(
        "--unlearners", default="all", help="as for a sweep; keep finetune among them"
    )
    parser.add_argument("--trials", type=int, default=8, help="per method")
    parser.add_argument(
        "--seeds", type=int, default=3, help="fresh seeds for each method's chosen point"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the search")
    parser.add_argument("--references", type=int, help="as for a sweep")
    parser.add_argument("--trial-seconds", type=float, help="as for a sweep")
    parser.add_argument("--max-concurrent", type=int, help="as for a sweep")
    parser.add_argument("--data-dir", type=Path, help="as for a sweep")
    parser.add_argument("--storage", default=SweepConfig.storage, help="storage root of the sweeps")
    parser.add_argument("--out", type=Path, help="folder of the tables [default: the storage root]")
    parser.add_argument(
        "--write", action="store_true", help=f"write the shipped files instead: {SHIPPED / RECORD}, {DOCS / MARKDOWN}, "
        f"{DOCS / LATEX}",
    )  # fmt: skip
    parser.add_argument(
        "--tables-only", action="store_true", help="run nothing: make the tables from the Parquet file anew"
    )  # fmt: skip
    return parser.parse_args(arguments)


def list_configs(options: argparse.Namespace) -> list[SweepConfig]:
    """Return the configuration of each task's search."""
    configs = []
    shared = ("trials", "seed", "references", "trial_seconds", "max_concurrent", "data_dir")
    given = {name: getattr(options, name) for name in shared}
    methods, storage = tuple(options.unlearners.split(",")), str(options.storage)
    for spec in options.task or TASKS:
        task, _, model = spec.partition("@")
        chosen = SweepConfig(
            first="defaults",  # the table would confirm itself
            task=task,
            model=model or options.model,
            unlearners=methods,
            **given,
        )
        configs.append(replace(chosen, storage=storage))
    return configs


def run_stages(options: argparse.Namespace) -> None:
    """Run every stage that is left; the Parquet file grows with each task that is done."""
    stages = plan_stages(list_configs(options), check_seeds(options.seeds), say)
    estimate_night(stages, say)

    def after(stage: Stage) -> None:
        if stage.seed == options.seeds:
            search = stage.search
            rows = collect_rows(search.storage, str(search.name), search.objective)
            write_record(rows, record_path(options))

    run_night(stages, say, after)


def make_tables(options: argparse.Namespace) -> None:
    """Write the tables that the Parquet file gives, and print them with the proposed default set."""
    rows = read_record(record_path(options))
    if options.write:
        write_known(rows)
    found = compare_methods(rows)
    folder = DOCS if options.write else output_folder(options)
    write_tables(found, folder / MARKDOWN, folder / LATEX)
    print(render_markdown(found))
    for line in explain_defaults(found):
        say(line)
    say(f"wrote {folder / MARKDOWN} and {folder / LATEX} from {record_path(options)}")


def record_path(options: argparse.Namespace) -> Path:
    """Return the path of the Parquet file."""
    return (SHIPPED if options.write else output_folder(options)) / RECORD


def output_folder(options: argparse.Namespace) -> Path:
    """Return the folder of the tables that are not shipped."""
    return options.out or Path(options.storage)


def say(text: str) -> None:
    """Print a line and flush, because a person may follow the log."""
    print(text, flush=True)


if __name__ == "__main__":
    lower_priority()  # here and not in `main`: whoever calls that keeps its own priority
    sys.exit(main())
