"""The Pareto front of a sweep: a table, a PNG and an interactive page.

python analysis/pareto_front.py RESULTS [--sweep NAME] [--out DIR] [--objective NAME]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.front_page import write_page
from analysis.results import (
    Results,
    SweepName,
    figures_folder,
    make_folder,
    parse_objective,
    print_note,
    read_sweep,
    run_script,
)
from analysis.tables import Table, list_models, print_table, spell_params, spell_value
from orchestrator.results.figures.front import draw_front
from orchestrator.results.figures.points import Front, select_front
from orchestrator.results.recommendation import RULE, TIED
from orchestrator.results.sweep_rows import FORGOTTEN, Row, Sweep, choose_forgotten_column

REPORTED = (
    "test_accuracy_retained",
    "indistinguishability",
    FORGOTTEN,
    "unlearn_seconds",
    "relative_cost",
)


def pareto_front(
    results: Results,
    /,
    *,
    sweep: SweepName = None,
    out: Path | None = None,
    objective: str = "pareto",
    markdown: bool = False,
) -> None:
    """Print a sweep's Pareto front and draw it, as PNG and as an interactive page.

    Parameters
    ----------
    out
        Folder for the figures; RESULTS/figures if not given, ./figures for a remote RESULTS.
    objective
        Name of an objective, or metric:direction,…, that selects the front.
    markdown
        Print the table as Markdown.
    """
    chosen = parse_objective(objective)
    found = read_sweep(results, sweep)
    front = select_front(found, chosen)
    print_table(make_table(found, front), markdown=markdown)
    if not front.drawn and not front.baselines:
        print_note("nothing to draw yet")
        return
    for path in _write(front, figures_folder(results, out), f"pareto_front-{found.name}"):
        print_note(f"wrote {path}")


def make_table(sweep: Sweep, front: Front) -> Table:
    """Return the baselines, then the front by time: the selecting and the reported columns."""
    selected = [m for m in front.objective.metrics if m not in REPORTED and m != "score"]
    forgotten = choose_forgotten_column(sweep.rows)
    reported = (forgotten if name == FORGOTTEN else name for name in REPORTED)
    columns = list(dict.fromkeys([*selected, *reported]))
    header = [
        "",
        "method",
        "trial",
        "epoch",
        *(name.replace("_", "\n") for name in columns),
        "params",
    ]
    rows = [["", name, "", "", *cells, ""] for name, *cells in list_models(sweep, columns)]
    shown = len(rows)
    rows += [[_mark(front, row), *_line(row, columns)] for row in sorted(front.front, key=_seconds)]
    return Table(
        title=f"{sweep.name}: Pareto front on {sweep.task}, {len(front.front)} of "
        f"{len(front.measured)} points of {front.trials} trials",
        header=header,
        rows=rows,
        caption=f"{front.caption} *: recommended, {RULE}. ≈: tied, {TIED}. Another retrain: it lies within ± "
        "of the mean with 95 % probability.",
        sections=frozenset({shown}),
    )


def _mark(front: Front, row: Row) -> str:
    return "*" if row is front.recommended else "≈" if front.is_tied(row) else ""


def _line(row: Row, columns: Sequence[str]) -> list[str]:
    values = [spell_value(column, row[column]) for column in columns]
    return [row["unlearner"], row["trial_id"], str(row["epoch"]), *values, spell_params(row)]


def _seconds(row: Row) -> float:
    return row["unlearn_seconds"] or 0.0


def _write(front: Front, folder: Path, stem: str) -> tuple[Path, Path]:
    picture, page = folder / f"{stem}.png", folder / f"{stem}.html"
    with make_folder(folder):
        draw_front(front, picture)
        write_page(front, page)
    return picture, page


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(pareto_front, argv)


if __name__ == "__main__":
    sys.exit(main())
