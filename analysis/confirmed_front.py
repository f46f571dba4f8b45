"""The confirmed front of a sweep, see `orchestrator confirm`: a table, and a PNG with error bars.

python analysis/confirmed_front.py RESULTS [--sweep NAME] [--points methods] [--out DIR] [--objective NAME] [--markdown]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.confirmed_figure import draw_confirmed
from analysis.results import (
    Results,
    SweepName,
    figures_folder,
    make_folder,
    parse_objective,
    print_note,
    read_confirmation,
    read_sweep,
    run_script,
)
from analysis.tables import MISSING, Table, print_table, spell_params
from orchestrator.results.confirmation.repeats import Confirmation, Repeated
from orchestrator.results.confirmation.table import list_header, list_lines, list_notes
from orchestrator.results.sweep_rows import TRIAL


def confirmed_front(
    results: Results,
    /,
    *,
    sweep: SweepName = None,
    points: str = "front",
    out: Path | None = None,
    objective: str = "pareto",
    markdown: bool = False,
) -> None:
    """Print and draw a front's means over fresh seeds, with confidence intervals.

    Parameters
    ----------
    points
        front, or methods: the one point of each method that `confirm --points methods` ran again.
    out
        Folder for the figure; RESULTS/figures if not given, ./figures for a remote RESULTS.
    objective
        Name of an objective, or metric:direction,…, that selected the front.
    markdown
        Print the table as Markdown.
    """
    found = read_sweep(results, sweep)
    confirmed = read_confirmation(results, found, parse_objective(objective), points)
    print_table(make_table(found.name, found.task, confirmed, points), markdown=markdown)
    path = figures_folder(results, out) / f"confirmed_{points}-{found.name}.png"
    with make_folder(path.parent):
        draw_confirmed(confirmed, found.task, path, points)
    print_note(f"wrote {path}")


def make_table(name: str, task: str, found: Confirmation, points: str) -> Table:
    """Return the two models, then the chosen points: values of the sweep, and means over fresh seeds."""
    headings = list_header(found)
    return Table(
        title=f"{name}: {points} on {task}, run again with fresh seeds",
        header=[headings[0], "trial", "epoch", *headings[1:], "params"],
        rows=[_line(model, cells) for model, cells in list_lines(found)],
        caption=" ".join(list_notes(found)),
        sections=frozenset({len(found.baselines)}),
    )


def _line(model: Repeated, cells: Sequence[str]) -> list[str]:
    """Return the cells with the trial of the point, its epoch and its hyper-parameters."""
    row = model.searched
    method, *others = (MISSING if cell == "-" else cell for cell in cells)
    which = [row["trial_id"], str(row["epoch"])] if row["role"] == TRIAL else ["", ""]
    return [method, *which, *others, spell_params(row)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(confirmed_front, argv)


if __name__ == "__main__":
    sys.exit(main())
