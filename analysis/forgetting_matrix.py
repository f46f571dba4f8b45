"""What a sequence of requests did: its accuracy matrix as a table and a PNG.

python analysis/forgetting_matrix.py RESULTS [--name NAME] [--out DIR] [--markdown]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.results import BadInput, figures_folder, make_folder, print_note, run_script
from analysis.tables import Table, print_table
from orchestrator.results.figures.matrix import render_matrix
from orchestrator.results.sequences.files import list_sequences, read_sequence
from orchestrator.results.sequences.matrix import ForgettingMatrix
from orchestrator.results.sequences.report import list_cells, list_numbers


def forgetting_matrix(
    results: str,
    /,
    *,
    name: str | None = None,
    out: Path | None = None,
    markdown: bool = False,
) -> None:
    """Print and draw the accuracy after each request of a sequence.

    Parameters
    ----------
    results
        Storage root under which `orchestrator run` stored the sequence.
    name
        Name of the sequence, as `run` printed it; may be left out if there is one alone.
    out
        Folder for the figure; RESULTS/figures if not given, ./figures for a remote RESULTS.
    markdown
        Print the table as Markdown.
    """
    try:
        found = read_sequence(results, choose_name(results, name))
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error
    print_table(make_table(found.matrix), markdown=markdown)
    path = figures_folder(results, out) / f"forgetting_matrix-{found.name}.png"
    with make_folder(path.parent):
        path.write_bytes(render_matrix(found.matrix))
    print_note(f"wrote {path}")


def choose_name(results: str, name: str | None) -> str:
    """Return the name given, or that of the only sequence; raise BadInput, listing them, if there is a choice."""
    if name is not None:
        return name
    known = list_sequences(results)
    if not known:
        raise BadInput(f"no sequence in {results}: orchestrator run --task 'A;B' stores one")
    if len(known) > 1:
        raise BadInput(f"{len(known)} sequences in {results}; --name is one of {', '.join(known)}")
    return known[0]


def make_table(found: ForgettingMatrix) -> Table:
    """Return the accuracies on each group after each request, with the references' in brackets."""
    header, *rows = list_cells(found)
    numbers = ". ".join(f"{name}: {value}" for name, value in list_numbers(found))
    return Table(
        title=f"{found.unlearner} on {found.task}: accuracy after each request",
        header=header,
        rows=rows,
        caption=f"In brackets: retrained on what the request leaves. {numbers}.",
        sections=frozenset({1}),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(forgetting_matrix, argv)


if __name__ == "__main__":
    sys.exit(main())
