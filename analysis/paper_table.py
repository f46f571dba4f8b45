"""The methods of a sweep in the columns that a paper's convention has, as text, Markdown or LaTeX.

python analysis/paper_table.py RESULTS --style salun|scrub|nfmu|tofu [--sweep NAME] [--confirmed] [--latex]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the repository, if run as a script

from analysis.paper_styles import STYLES, Pair, Style
from analysis.results import (
    BadInput,
    Results,
    SweepName,
    parse_objective,
    print_note,
    read_confirmation,
    read_sweep,
    run_script,
)
from analysis.tables import Table, print_latex, print_table, spell_mean
from orchestrator.results.confirmation.repeats import Repeated, average_references
from orchestrator.results.objectives import Objective
from orchestrator.results.recommendation import choose_of_each_method
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, Sweep

Models = dict[str, list[Pair]]
"""By name, the rows of a model, each with the retrained model of its seed."""


def paper_table(
    results: Results,
    /,
    *,
    style: Literal["salun", "scrub", "nfmu", "tofu"] = "salun",
    sweep: SweepName = None,
    objective: str = "pareto",
    confirmed: bool = False,
    latex: bool = False,
    markdown: bool = False,
) -> None:
    """Print one line for each method, with the columns that a paper's convention has.

    Parameters
    ----------
    style
        salun, scrub, nfmu (the NeurIPS 2023 challenge) or tofu: the caption has the definitions.
    objective
        Name of an objective, or metric:direction,…, by which a method's point is chosen.
    confirmed
        Mean ± standard deviation over the fresh seeds of `confirm --points methods`.
    latex
        Print LaTeX, with the rules of booktabs.
    markdown
        Print Markdown.
    """
    found, chosen = read_sweep(results, sweep), parse_objective(objective)
    models = read_repeats(results, found, chosen) if confirmed else list_models(found, chosen)
    if RETRAINED not in models:
        raise BadInput(f"sweep {found.name!r} has no retrained model to compare with")
    table = make_table(found, models, STYLES[style])
    missing = list_missing(models, STYLES[style])
    if missing:
        print_note(f"no values of {', '.join(missing)}: {STYLES[style].hint}")
    print_latex(table) if latex else print_table(table, markdown=markdown)


def list_models(sweep: Sweep, objective: Objective) -> Models:
    """Return the original, the references' mean, and each method's recommended point, else its best attempt."""
    rows = average_references(sweep.rows)
    models = {row["trial_id"]: row for row in rows if row["role"] in (ORIGINAL, RETRAINED)}
    named = {role: models[role] for role in (ORIGINAL, RETRAINED) if role in models}
    named |= {row["unlearner"]: row for row in choose_of_each_method(sweep.rows, objective)}
    retrained = models.get(RETRAINED)
    return {name: [(row, retrained)] for name, row in named.items()} if retrained else {}


def read_repeats(results: str, sweep: Sweep, objective: Objective) -> Models:
    """Return the same models as fresh seeds have them; raise BadInput if there are none."""
    found = read_confirmation(results, sweep, objective, "methods")
    retrained = found.baselines.get(RETRAINED)
    if retrained is None:
        return {}
    named: dict[str, Repeated] = dict(found.baselines)
    named |= {point.searched["unlearner"]: point for point in found.points}
    return {
        name: [
            (row, retrained.repeats[seed])
            for seed, row in sorted(model.repeats.items())
            if seed in retrained.repeats
        ]
        for name, model in named.items()
    }


def make_table(sweep: Sweep, models: Models, style: Style) -> Table:
    """Return one line for each model: the mean over its rows, ± the standard deviation of several."""
    lines = []
    for name, pairs in models.items():
        values = [[column.compute(*pair) for pair in pairs] for column in style.columns]
        cells = zip(values, style.columns, strict=True)
        lines.append(
            [name, *(spell_mean([v for v in some if v is not None], c.digits) for some, c in cells)]
        )
    return Table(
        title=f"{sweep.name}: {sweep.task}, as {style.paper} has it",
        header=["method", *(column.name for column in style.columns)],
        rows=lines,
        caption=style.caption,
        sections=frozenset({sum(name in models for name in (ORIGINAL, RETRAINED))}),
    )


def list_missing(models: Models, style: Style) -> list[str]:
    """Return the names of the columns that no model has a value of."""
    pairs = [pair for some in models.values() for pair in some]
    return [c.name for c in style.columns if all(c.compute(*pair) is None for pair in pairs)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script on `argv`; returns its exit code."""
    return run_script(paper_table, argv)


if __name__ == "__main__":
    sys.exit(main())
