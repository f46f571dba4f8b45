"""How a sweep came to be: its command, seeds, versions and machines, and what failed."""

from __future__ import annotations

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.config.spelling import spell_flags
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.tables import Cell, Heading, SortedTable
from orchestrator.results.columns import COLUMNS, PROVENANCE
from orchestrator.results.sweep_rows import Row, finished_at

SEPARATE = ("versions", "finished_at", "trial_key", "training_seconds")
"""Columns of provenance that are told in another form, or differ in every row."""
MOST_VALUES, LONGEST = 4, 400
"""Values of a column that are listed, and characters of one."""


@dataclass(frozen=True)
class Fact:
    """What is known of how a sweep ran: its name, its value, and its meaning."""

    name: str
    value: str
    help: str = ""


def list_commands(content: SweepContent) -> list[tuple[str, str]]:
    """List the commands that make this sweep again, and read it."""
    config = content.config
    where = [content.name, "--storage", config.storage]
    commands = [("the sweep", spell_sweep(content))]
    if content.state != "finished":
        commands.append(("continue it", shlex.join(["orchestrator", "resume", *where])))
    commands.append(("its status", shlex.join(["orchestrator", "status", *where])))
    commands.append(("this page", shlex.join(["orchestrator", "report", *where])))
    return commands


def spell_sweep(content: SweepContent) -> str:
    """Spell the command of the sweep, with all that it decided."""
    return shlex.join(["orchestrator", "sweep", *spell_flags(content.config)])


def list_facts(content: SweepContent) -> list[Fact]:
    """List seeds, dates, versions and every column of provenance, with the values that the rows have."""
    rows, trials = content.rows, [row for row in content.rows if row["role"] == "trial"]
    moments = sorted(finished_at(row) for row in rows if row["finished_at"])
    facts = [
        Fact("rows", str(len(rows))),
        Fact("objective", _spell_objective(content), "what the search optimises"),
        Fact(
            "seed of the sweep",
            str(content.config.seed),
            "seed of splits, training, search and trials",
        ),
        Fact("seeds of trials", _list_values(row["seed"] for row in trials), COLUMNS["seed"].help),
    ]
    if moments:
        facts.append(
            Fact("trials ended", f"{moments[0]:%Y-%m-%d %H:%M} to {moments[-1]:%Y-%m-%d %H:%M} UTC")
        )
    for column in PROVENANCE:
        if column.name not in SEPARATE:
            told = _list_values(row[column.name] for row in rows)
            facts += [Fact(column.name.replace("_", " "), told, column.help)] if told else []
    return [*facts, *_list_versions(rows)]


def make_failures_table(content: SweepContent) -> SortedTable | None:
    """Return the failed and the stopped trials by method and reason; None if there are none."""
    groups: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in [*content.sweep.failures, *content.sweep.pruned]:
        which = (
            row["unlearner"] or "",
            row["state"],
            _shorten(row["error"] or "no reason is stored"),
        )
        groups[which] += 1
        examples[which].append(row["trial_id"])
    if not groups:
        return None
    rows = [
        [Cell(method, method), Cell(state, state), Cell(str(count), count), Cell(reason, reason),
         Cell(", ".join(examples[method, state, reason][:3]))]
        for (method, state, reason), count in groups.most_common()
    ]  # fmt: skip
    header = [
        Heading(text, number=text == "trials")
        for text in ("method", "state", "trials", "reason", "such as")
    ]
    return SortedTable(
        "Trials that failed or were stopped", header, rows, notes=[COLUMNS["state"].help]
    )


def _spell_objective(content: SweepContent) -> str:
    pairs = zip(content.objective.metrics, content.objective.maximise, strict=True)
    told = ", ".join(f"{metric} {'↑' if up else '↓'}" for metric, up in pairs)
    return f"{content.config.objective}: {told}"


def _list_versions(rows: list[Row]) -> Iterator[Fact]:
    """Yield the version of each package; several, if the rows were made with several."""
    found: dict[str, list[str]] = defaultdict(list)
    for text in dict.fromkeys(row["versions"] for row in rows if row["versions"]):
        try:
            versions = json.loads(text)
        except ValueError:
            continue
        for name, version in versions.items() if isinstance(versions, dict) else ():
            if str(version) not in found[str(name)]:
                found[str(name)].append(str(version))
    if found:
        told = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in found.items())
        yield Fact("versions", told, COLUMNS["versions"].help)


def _list_values(values: Iterable[object]) -> str:
    """List the distinct values; of many, the first few."""
    distinct = list(dict.fromkeys(_shorten(str(v)) for v in values if v is not None))
    more = len(distinct) - MOST_VALUES
    return ", ".join(distinct[:MOST_VALUES]) + (f" and {more} more" if more > 0 else "")


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
