"""The cells of a confirmed front: the values of the search, and the means over fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from orchestrator.results.columns import COLUMNS, MEASURED, Column, find_bounds
from orchestrator.results.confirmation.differences import (
    COMPARED,
    Difference,
    find_significant,
    list_p_values,
    name_difference,
)
from orchestrator.results.confirmation.repeats import LEVEL, Confirmation, Estimate, Repeated
from orchestrator.results.figures.values import spell_count
from orchestrator.results.noise import FEWEST
from orchestrator.results.objectives import STEERING
from orchestrator.results.sweep_rows import (
    FORGET_SET,
    FORGOTTEN,
    ORIGINAL,
    choose_forgotten_column,
)

ACCURACY, HIDDEN, COST = "test_accuracy_retained", "indistinguishability", "relative_cost"
HEADINGS = {name: COLUMNS[name].headline for name in (ACCURACY, FORGOTTEN, HIDDEN, COST)}
HEADINGS[FORGET_SET] = "accuracy,\nforget set"
SIGNIFICANT = "*"
"""Marks a difference that is not 0 even when the number of differences is counted."""
ENOUGH = 5
"""Seeds below which intervals are too wide to tell much."""


def list_header(found: Confirmation) -> tuple[str, ...]:
    """List the headings of `list_lines`."""
    forgotten = HEADINGS[_find_forgotten(found)]
    return (
        "method", "n", "P(undo-\nminated)", f"{HEADINGS[ACCURACY]},\nsearched", "over seeds", "less the\noriginal's",
        "less the\nretrained's", f"{forgotten},\nover seeds", f"{HEADINGS[HIDDEN]},\nsearched", "over seeds",
        str(HEADINGS[COST]),
    )  # fmt: skip


def list_lines(found: Confirmation) -> Iterator[tuple[Repeated, list[str]]]:
    """Yield each model with its cells: the two baselines, then the front by mean accuracy."""
    forgotten = _find_forgotten(found)
    significant = find_significant(list_p_values(found, ACCURACY))
    held = zip(found.points, found.judge_points(), strict=True)
    lines = [(role, "", model) for role, model in found.baselines.items()]
    for point, chance in sorted(held, key=lambda pair: _mean(pair[0].over_seeds(ACCURACY))):
        told = "-" if chance is None else f"{chance:.2f}"
        lines.append((point.searched["unlearner"], told, point))
    for method, told, model in lines:
        less = [_spell_difference(model, role, found, significant) for role in COMPARED]
        yield model, [method, *_cells(told, model, less, forgotten)]


def list_requested(found: Confirmation) -> tuple[list[str], list[list[str]]]:
    """Return a heading, and a line for each metric on request that a model has: its means over the seeds."""
    models = [model for model, _ in list_lines(found)]
    ids = [str(model.searched["trial_id"]) for model in models]
    epochs = [model.searched["epoch"] for model in models]
    pairs = zip(ids, epochs, strict=True)  # several points of a trial differ by their epochs
    named = [f"{i}, epoch {epoch}" if ids.count(i) > 1 else i for i, epoch in pairs]
    header = ["metric", "ideal", *named]
    lines = []
    for column in MEASURED:
        means = [model.over_seeds(column.name) for model in models]
        if column.tier == "request" and any(means):
            cells = [spell_estimate(mean, *find_bounds(column.name)) for mean in means]
            lines.append([column.name, spell_ideal(column), *cells])
    return header, lines


def spell_ideal(column: Column) -> str:
    """Say where the best value of a column is: a number, a direction, or where retrained models lie."""
    if isinstance(column.best, float):
        return f"{column.best:g}"
    return {"up": "more", "down": "less", "references": "as retrained"}.get(str(column.best), "")


def list_notes(found: Confirmation) -> list[str]:
    """Return sentences that explain the table, and the optimism of the search."""
    above = {name: found.measure_flattery(name) for name in STEERING}
    told = [f"{name} {value:+.3f}" for name, value in above.items() if value is not None]
    chances = [chance for chance in found.judge_points() if chance is not None]
    seeds = max((len(point.tried) for point in found.points), default=0)
    cut = sum(not point.is_whole for point in found.points)
    said = [
        f"± is half a 95 % confidence interval (Student's t) over n seeds. {spell_seeds(found)}; all seeds use the "
        "same images.",
        "Where ± would leave what can be, the interval is given.",
    ]
    if chances:
        said.append(
            f"P(undominated): the probability that neither another point nor the original is at least as good in "
            f"all of the objective's true means. {sum(chances):.1f} of {len(chances)} points are, on average."
        )
    said += _spell_many(found)
    said += list_best(found)
    if seeds < FEWEST:
        said.append(f"Below {FEWEST} seeds no interval is given.")
    if seeds < ENOUGH:
        tell = f"{spell_count(seeds, 'seed')} {'tells' if seeds == 1 else 'tell'} little"
        said.append(f"{tell}: for {ENOUGH}, give --seeds {ENOUGH} to confirm.")
    if cut:
        said.append(
            f"{spell_count(cut, 'point')} not reached with every seed: trials failed or were stopped."
        )
    if found.left_out:
        said.append(f"{spell_count(found.left_out, 'chosen point')} did not run again.")
    if told:
        said.append(
            "Value of the search minus the mean over fresh seeds, averaged over the points: "
            f"{', '.join(told)}. It includes the luck of the search's own models and splits."
        )
    return said


def spell_seeds(found: Confirmation) -> str:
    """Say what each seed has of its own: not the original model, if it was given as a file of weights."""
    original = found.baselines.get(ORIGINAL)
    if original is not None and original.searched.get("original_file") is not None:
        return (
            "Each seed has its own retrained models, splits and, if it is random, forget set; the original was given "
            "and is the same for all seeds"
        )
    return "Each seed has its own models, splits and, if it is random, forget set"


def _spell_many(found: Confirmation) -> list[str]:
    """Say that many differences are shown at once, and how many remain when that is counted."""
    p_values = list_p_values(found, ACCURACY)
    if len(p_values) < 2:
        return []
    alone = sum(p_value < 1 - LEVEL for p_value in p_values.values())
    return [
        f"Multiple comparisons: the table has {len(p_values)} differences to the original and the retrained models. "
        f"Each interval holds alone: of differences that are truly 0, one in {1 / (1 - LEVEL):.0f} has an interval "
        f"that leaves 0 out. {alone} do here. {SIGNIFICANT} marks those that are different from 0 in spite of their "
        f"number, by Holm's correction: {len(find_significant(p_values))}."
    ]


def list_best(found: Confirmation) -> list[str]:
    """Say which point is the best over fresh seeds, or that none meets the limits there."""
    best, required = found.find_best(), found.objective.required
    if best is not None:
        return [_spell_best(best)]
    if required and found.points and not any(map(found.meets_limits, found.points)):
        return [
            f"The means over fresh seeds of no point meet what is required: {', '.join(map(str, required))}."
        ]
    return []


def _spell_best(point: Repeated) -> str:
    """Say which point is the best over fresh seeds, by the validation half, and what its test half has."""
    names = ("test_accuracy_retained", "indistinguishability")
    accuracy, hidden = (spell_estimate(point.over_seeds(name)) for name in names)
    return (
        f"Best over fresh seeds, by the validation half: {point.searched['trial_id']} at epoch "
        f"{point.searched['epoch']}; on the test half accuracy {accuracy}, indistinguishability {hidden}."
    )


def spell_estimate(found: Estimate | None, least: float = 0.0, most: float = 1.0) -> str:
    """Return `mean ± half` with three decimals, or `mean [low, high]` if ± would leave [`least`, `most`].

    It is the mean alone for fewer than FEWEST values.
    """
    if found is None:
        return "-"
    if not found.has_interval:
        return f"{found.mean:.3f}"
    low, high = found.clip(least, most)
    if (low, high) != found.clip(-math.inf, math.inf):
        return f"{found.mean:.3f} [{low:.3f}, {high:.3f}]"
    return f"{found.mean:.3f} ± {found.half:.3f}"


def _find_forgotten(found: Confirmation) -> str:
    models = [*found.baselines.values(), *found.points]
    return choose_forgotten_column(row for model in models for row in model.repeats.values())


def _spell_difference(
    model: Repeated, role: str, found: Confirmation, significant: Collection[Difference]
) -> str:
    other = found.baselines.get(role)
    if other is None or other is model:
        return "-"
    mark = SIGNIFICANT if name_difference(model, role) in significant else ""
    return spell_estimate(model.compare_with(other, ACCURACY), least=-1.0) + mark


def _cells(chance: str, model: Repeated, less: Sequence[str], forgotten: str) -> list[str]:
    measured, tried = len(model.repeats), len(model.tried)
    cost = model.over_seeds(COST)
    return [
        str(measured) if measured == tried else f"{measured} of {tried}",
        chance,
        _number(model.searched[ACCURACY]),
        spell_estimate(model.over_seeds(ACCURACY)),
        *less,
        spell_estimate(model.over_seeds(forgotten)),
        _number(model.searched[HIDDEN]),
        spell_estimate(model.over_seeds(HIDDEN)),
        f"{cost.mean:.3g}" if cost else "-",
    ]


def _mean(found: Estimate | None) -> float:
    return found.mean if found else float("-inf")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
