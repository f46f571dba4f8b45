"""The tables: Markdown for docs/methods.md, between two markers, and LaTeX with booktabs and longtable."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.methods.comparison import (
    ACCURACY,
    COST,
    FORGET,
    HIDDEN,
    LESS_ACCURATE,
    NO,
    NOISE,
    RIVAL,
    UNKNOWN,
    YES,
    Comparison,
    Method,
)
from orchestrator.results.confirmation.repeats import Estimate, Repeated
from orchestrator.results.confirmation.table import spell_estimate
from orchestrator.results.figures.values import MISSING, escape_latex
from tasks.errors import InvalidValue

BEGIN, END = "<!-- tables of methods: begin -->", "<!-- tables of methods: end -->"
"""What stands between these two lines of docs/methods.md is written by `python -m benchmarks.methods`."""
COMMAND = "python -m benchmarks.methods"
NOT_CHOSEN = "°"
"""Mark of a method no point of which was better than the original beyond the noise."""
ALIGNED = "llrrrlrrrrrl"
"""A letter for each column, as LaTeX spells them: l of texts, r of numbers."""


def list_header(found: Comparison) -> list[str]:
    """Return the headings of a comparison's columns."""
    left = "accuracy, forget set" if found.forgotten == FORGET else "accuracy, forgotten"
    return [
        "method", "family", "seeds", "indistinguishability", "less finetune's", "beats finetune", "accuracy, retained",
        left, "cost / retrain", "seconds per trial", "of it unlearning", "trials that failed",
    ]  # fmt: skip


def list_rows(found: Comparison) -> Iterator[list[str]]:
    """Yield the cells of the models, of the spread between retrains, then of each method."""
    yield _model_cells("original", found.original, found)
    yield _model_cells(f"retrained, mean of {found.references}", found.retrained, found)
    for name, values in (
        ("spread of the retrained, sd", found.spreads),
        ("another retrain lies within", found.floors),
    ):
        hidden, accuracy, left = (
            f"± {statistics.fmean(known):.3f}"
            if (known := [v[c] for v in values if c in v])
            else MISSING
            for c in (HIDDEN, ACCURACY, found.forgotten)
        )
        yield [name, "", str(len(values)), hidden, "", "", accuracy, left, *[""] * 4]
    for method in found.methods:
        yield _method_cells(method, found)


def _model_cells(name: str, model: Repeated, found: Comparison) -> list[str]:
    hidden, accuracy, left = (
        _spell(model.over_seeds(column)) for column in (HIDDEN, ACCURACY, found.forgotten)
    )
    cost = _spell_cost(model.over_seeds(COST))
    return [name, "", str(len(model.repeats)), hidden, "", "", accuracy, left, cost, "", "", ""]


def _method_cells(method: Method, found: Comparison) -> list[str]:
    about, model = method.about, method.over_seeds
    tried, reached = len(model.tried), len(model.repeats)
    is_rival = method.name == RIVAL
    return [
        method.name if method.is_recommended else f"{method.name} {NOT_CHOSEN}",
        about["family"],
        str(reached) if tried == reached else f"{reached} of {tried}",
        _spell(model.over_seeds(HIDDEN)),
        "" if is_rival else _spell(found.gain(method), least=-1.0),
        "" if is_rival else found.judge(method),
        _spell(model.over_seeds(ACCURACY)),
        _spell(model.over_seeds(found.forgotten)),
        _spell_cost(model.over_seeds(COST)),
        _spell_seconds(about["seconds_per_trial"]),
        _spell_seconds(about["busy_seconds_per_trial"]),
        _spell_failures(about["trials"], about["failed"], about["diverged"]),
    ]


def list_notes(found: Comparison) -> Iterator[str]:
    """Yield the sentences below a table: what beats finetune, what does not, how to read it."""
    verdicts = {m.name: found.judge(m) for m in found.methods if m.name != RIVAL}
    for verdict, what in (
        (YES, "Beat finetune"),
        (LESS_ACCURATE, "Beat finetune, at less accuracy on retained classes"),
        (NOISE, "Better than finetune, but not beyond the noise between retrains"),
        (NO, "Do not beat finetune"),
        (UNKNOWN, "Cannot be told"),
    ):
        names = [name for name, its in verdicts.items() if its == verdict]
        if names:
            yield f"{what} ({len(names)} of {len(verdicts)}): {', '.join(names)}."
    if any(not method.is_recommended for method in found.methods):
        yield (
            f"{NOT_CHOSEN}: in the search, no point of the method was better than the original beyond the noise "
            "between retrains; it stands here with its point of the highest accuracy × indistinguishability."
        )
    yield (
        f"Each method: {found.trials} trials with one seed (fewer where nothing is searched), then its recommended "
        f"point with {len(found.seeds)} fresh seeds. Each seed has an original, {found.references} references and "
        "splits of its own."
    )


READING = (
    "± is half a 95 % confidence interval (Student's t) over the fresh seeds; where it would leave what can be, the "
    "interval is given. Accuracies and indistinguishability are of the test half. A method beats finetune if "
    "the whole interval of the difference in indistinguishability, seed by seed, is above 0; of methods that are no "
    "better, about one in forty would. It is less accurate if its mean is below finetune's by more than another "
    "retrain lies within. Methods stand by mean score: accuracy × indistinguishability × "
    "(1 − cost), on the validation half. Seconds are means over the trials of the search, a trial to a core."
)


def render_markdown(comparisons: Sequence[Comparison]) -> str:
    """Return all tables in Markdown."""
    parts = [READING]
    for found in comparisons:
        header, rows = list_header(found), list(list_rows(found))
        rule = "|".join("---:" if letter == "r" else "---" for letter in ALIGNED)
        parts.append(f"### {found.task}, {found.model}")
        parts.append("\n".join([_line(header), f"|{rule}|", *(_line(row) for row in rows)]))
        parts += list_notes(found)
    return "\n\n".join(parts) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def insert_markdown(text: str, tables: str) -> str:
    """Return a document with what stands between its two markers replaced; raises InvalidValue without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InvalidValue(f"the document lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


def render_latex(comparisons: Sequence[Comparison]) -> str:
    """Return all tables in LaTeX, to be read by an \\input: a longtable for each, with booktabs' rules."""
    parts = [f"% Written by {COMMAND}. Needs the packages booktabs and longtable."]
    for found in comparisons:
        header, rows = list_header(found), list(list_rows(found))
        notes = " ".join([*list_notes(found), READING])
        models = len(rows) - len(found.methods)
        body = [f"{' & '.join(map(escape_latex, row))} \\\\" for row in rows]
        body.insert(models, r"\midrule")
        heads = " & ".join(f"\\textbf{{{escape_latex(name)}}}" for name in header)
        parts.append(
            "\n".join(
                [
                    f"\\begin{{longtable}}{{@{{}}{ALIGNED}@{{}}}}",
                    f"\\caption{{{escape_latex(f'{found.task}, {found.model}. {notes}')}}} \\\\",
                    r"\toprule",
                    f"{heads} \\\\",
                    r"\midrule",
                    r"\endhead",
                    *body,
                    r"\bottomrule",
                    r"\end{longtable}",
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def write_tables(comparisons: Sequence[Comparison], markdown: Path, latex: Path) -> None:
    """Write the tables into a Markdown file, between its markers if it exists, and into a LaTeX file.

    Raises InvalidValue if the Markdown file lacks the markers.
    """
    text = markdown.read_text() if markdown.exists() else f"{BEGIN}\n{END}\n"
    written = insert_markdown(text, render_markdown(comparisons))
    latex.parent.mkdir(parents=True, exist_ok=True)
    markdown.parent.mkdir(parents=True, exist_ok=True)
    markdown.write_text(written)
    latex.write_text(render_latex(comparisons))


def _spell(found: Estimate | None, least: float = 0.0) -> str:
    return MISSING if found is None else spell_estimate(found, least)


def _spell_cost(found: Estimate | None) -> str:
    if found is None:
        return MISSING
    return f"{found.mean:.2g}" if not found.half else f"{found.mean:.2g} ± {found.half:.1g}"


def _spell_seconds(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _spell_failures(trials: int, failed: int, diverged: int) -> str:
    if not failed:
        return f"0 of {trials}"
    return f"{failed} of {trials}" + (f", {diverged} of them diverged" if diverged else "")
