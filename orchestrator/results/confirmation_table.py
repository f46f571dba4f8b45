"""The cells of a confirmed front: the values of the search, and the means over fresh seeds."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.results.columns import COLUMNS
from orchestrator.results.confirmation import Confirmation, Estimate, Repeated
from orchestrator.results.objectives import STEERING

ACCURACY, FORGOTTEN, ATTACK = (
    "test_accuracy_retained", "test_accuracy_forgotten", "mia_class_matched_accuracy",
)  # fmt: skip
ABOUT = (
    "sweep", "confirms", "role", "unlearner", "trial_id", "state", "epoch", "params", "task_seed",
)  # fmt: skip
NEEDED = (*ABOUT, ACCURACY, FORGOTTEN, ATTACK, "relative_cost", *STEERING)
"""Columns of the store that the table is made of, beside those of the objective."""
HEADINGS = {name: COLUMNS[name].headline for name in (ACCURACY, FORGOTTEN, ATTACK, "relative_cost")}
HEADER = (
    "method", "n", "holds", f"{HEADINGS[ACCURACY]},\nsearched", "over seeds", "less the\noriginal's",
    f"{HEADINGS[FORGOTTEN]},\nover seeds", f"{HEADINGS[ATTACK]},\nsearched", "over seeds",
    str(HEADINGS["relative_cost"]),
)  # fmt: skip


def list_lines(found: Confirmation) -> Iterator[tuple[Repeated, list[str]]]:
    """Yield each model with its cells: the two baselines, then the front by mean accuracy."""
    original = found.baselines.get("original")
    for role, model in found.baselines.items():
        yield model, _cells(role, "", model, original)
    held = zip(found.points, found.judge_points(), strict=True)
    for point, holds in sorted(held, key=lambda pair: _mean(pair[0].over_seeds(ACCURACY))):
        method = point.searched["unlearner"]
        yield point, _cells(method, "yes" if holds else "no", point, original)


def list_notes(found: Confirmation) -> list[str]:
    """Return sentences that explain the table, and the optimism of the search."""
    above = {name: found.measure_flattery(name) for name in STEERING}
    told = [f"{name} {value:+.3f}" for name, value in above.items() if value is not None]
    kept = found.judge_points()
    cut = sum(point.tried != set(point.repeats) for point in found.points)
    said = [
        "± is half a 95 % confidence interval (Student's t) over n seeds. Each seed has its own models, splits "
        "and, if it is random, forget set; all seeds use the same images.",
        f"{sum(kept)} of {len(kept)} points hold: no other point dominates their means over the seeds.",
    ]
    if cut:
        said.append(
            f"{cut} points were not reached with every seed: their trials failed or were stopped."
        )
    if found.left_out:
        said.append(f"{found.left_out} points of the front did not run again.")
    if told:
        said.append(
            "Value of the search minus the mean over fresh seeds, averaged over the points: "
            f"{', '.join(told)}. It includes the luck of the search's own models and splits."
        )
    return said


def spell_estimate(found: Estimate | None) -> str:
    """Return `mean ± half` with three decimals."""
    if found is None:
        return "-"
    return f"{found.mean:.3f}" + (f" ± {found.half:.3f}" if found.half is not None else "")


def _cells(method: str, holds: str, model: Repeated, original: Repeated | None) -> list[str]:
    accuracy, cost = model.over_seeds(ACCURACY), model.over_seeds("relative_cost")
    measured, tried = len(model.repeats), len(model.tried)
    less = model.compare_with(original, ACCURACY) if original and model is not original else None
    return [
        method,
        str(measured) if measured == tried else f"{measured} of {tried}",
        holds,
        _number(model.searched[ACCURACY]),
        spell_estimate(accuracy),
        spell_estimate(less),
        spell_estimate(model.over_seeds(FORGOTTEN)),
        _number(model.searched[ATTACK]),
        spell_estimate(model.over_seeds(ATTACK)),
        f"{cost.mean:.3g}" if cost else "-",
    ]


def _mean(found: Estimate | None) -> float:
    return found.mean if found else float("-inf")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
