"""The answer of a sweep: what it recommends, what that means in a sentence, and what to be careful about."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.config import SweepConfig
from orchestrator.config.spelling import PROGRAM
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.recommended import spell_export, spell_run
from orchestrator.results.confirmation.table import ENOUGH, list_best, spell_estimate
from orchestrator.results.figures.axes import COST, X, Y
from orchestrator.results.figures.points import NEITHER, find_kind, spell_cost
from orchestrator.results.figures.values import spell_count, spell_value
from orchestrator.results.noise import explain_what_is_to_forget
from orchestrator.results.objectives import steers_on_test
from orchestrator.results.recommendation import RULE, Lack, explain_lack
from orchestrator.results.sweep_rows import FORGET_SET, FORGOTTEN, ORIGINAL, Row

TILES = {
    X: "accuracy on what stays",
    FORGOTTEN: "accuracy on what is forgotten",
    FORGET_SET: "accuracy on the forget set",
    Y: "indistinguishability",
    COST: "cost, in retrains",
}
"""Columns of the tiles, and their headings."""


@dataclass(frozen=True)
class Tile:
    """One number of the recommended point, with the models' beside it."""

    heading: str
    value: str
    original: str
    retrained: str


@dataclass(frozen=True)
class Answer:
    """What stands at the top of a page."""

    heading: str
    sentence: str
    tiles: list[Tile]
    cautions: list[str]
    commands: list[tuple[str, str]]
    """What a command does, and the command."""


def give_answer(content: SweepContent) -> Answer:
    """Tell what a sweep found: its recommended point, or that there is none."""
    row = content.front.recommended
    cautions = list(_list_cautions(content, row))
    if row is None:
        return Answer("Nothing is recommended", _spell_lack(content), [], cautions, [])
    told = (*content.shown, X, Y, COST)
    heading = f"Recommended: {row['unlearner']}, epoch {row['epoch']}"
    tiles = [
        _make_tile(content, row, name) for name in TILES if name in told and row[name] is not None
    ]
    return Answer(
        heading, _spell_sentence(content, row), tiles, cautions, _list_commands(content, row)
    )


def _spell_lack(content: SweepContent) -> str:
    """Say why nothing is recommended."""
    if not content.ended:
        return "No trial has been measured yet."
    lack = explain_lack(
        content.front.front, content.objective, measured=bool(content.front.measured)
    )
    told = lack.value
    if lack is Lack.LIMITS:
        told += f": {', '.join(map(str, content.objective.required))}"
    return f"{told[:1].upper()}{told[1:]}."


def _spell_sentence(content: SweepContent, row: Row) -> str:
    """Say in one plain sentence what is kept, how well it is forgotten, and what that costs."""
    return (
        f"It keeps an accuracy of {_percent(row[X])} on held-out images ({_beside(content, X, _percent)}), reaches "
        f"an indistinguishability of {spell_value(Y, row[Y])} from models that never saw the forgotten examples "
        f"({_beside(content, Y, lambda v: spell_value(Y, v))}; 1 is ideal), and costs {spell_cost(row[COST])}."
    )


def _beside(content: SweepContent, column: str, spell: object) -> str:
    """Spell what the original and the references have."""
    assert callable(spell)
    original = content.sweep.baseline(ORIGINAL)
    mean = mean_of_references(content, column)
    told = [] if original is None else [f"the original {spell(original[column])}"]
    told += [] if mean is None else [f"retrained models {spell(mean)}"]
    return ", ".join(told) or "the models are not measured"


def mean_of_references(content: SweepContent, column: str) -> float | None:
    """Return the references' mean of a column; None without values."""
    values = [r[column] for r in content.sweep.references if r[column] is not None]
    return sum(values) / len(values) if values else None


def _make_tile(content: SweepContent, row: Row, column: str) -> Tile:
    original = content.sweep.baseline(ORIGINAL)
    floor, mean = content.front.floor, mean_of_references(content, column)
    width = floor.tell_width(column) if floor and column != COST else None
    spread = "" if width is None else f"; another retrain ± {spell_value(column, width)}"
    return Tile(
        TILES[column],
        spell_value(column, row[column]),
        spell_value(column, original[column] if original else None),
        spell_value(column, mean) + spread,
    )


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f} %"


def _list_cautions(content: SweepContent, row: Row | None) -> Iterator[str]:
    """Yield what a reader must know before believing the answer."""
    front = content.front
    if content.ended < content.budget:
        yield f"The sweep is {content.state}: {content.ended} of {content.budget} trials so far, so this may change."
    if row is not None:
        yield f"It is {RULE}."
        if find_kind(row) != NEITHER:
            yield (
                f"The recommended point is {find_kind(row)}: the forgotten examples look "
                f"{'less' if find_kind(row).startswith('over') else 'more'} like members than to the retrained models."
            )
        yield _spell_confirmed(content, row)
    front_again = content.confirmations.get(SweepConfig.points)
    if front_again is not None:
        best = front_again.find_best()
        if best is None or best.searched is not row:
            yield from list_best(front_again)
    if front.floor is not None:
        told = explain_what_is_to_forget(front.floor).removeprefix("NOTICE: ")
        yield f"{told[:1].upper()}{told[1:]}."
    if steers_on_test(content.objective):
        yield front.caption
    lost = len(content.sweep.failures)
    if lost:
        yield f"{spell_count(lost, 'trial')} failed; the reasons are below."


def _spell_confirmed(content: SweepContent, row: Row) -> str:
    """Say what fresh seeds made of the recommended point, or that it flatters without them."""
    point = content.find_repeated(row)
    if point is None or not point.repeats:
        return (
            f"It is the best of {len(content.front.measured)} noisy points, and the best of many flatters. "
            "The last command here runs the front again with fresh seeds."
        )
    means = [point.over_seeds(name) for name in (X, Y)]
    accuracy, hidden = map(spell_estimate, means)
    what = "mean, with its 95 % interval" if any(m and m.has_interval for m in means) else "mean"
    few = "" if len(point.tried) >= ENOUGH else " That is few."
    return (
        f"Run again with {spell_count(len(point.tried), 'fresh seed')}, with models of their own: accuracy {accuracy}, "
        f"indistinguishability {hidden} ({what}).{few}"
    )


def _list_commands(content: SweepContent, row: Row) -> list[tuple[str, str]]:
    return [
        ("run it again", spell_run(content.config, row, PROGRAM)),
        ("export its weights", spell_export(content.config, PROGRAM)),
        ("run the front again with fresh seeds", spell_confirm(content)),
    ]


def spell_confirm(content: SweepContent) -> str:
    """Spell the command that runs the front again with fresh seeds."""
    return shlex.join(
        ["orchestrator", "confirm", content.name, "--seeds", str(ENOUGH), "--storage", content.config.storage]
    )  # fmt: skip
