"""What the rows of the Parquet file say: each method over the fresh seeds, against models and finetune."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.methods.record import NOTHING, RECOMMENDED
from orchestrator.results.confirmation.repeats import Estimate, Repeated, average_references
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import score
from orchestrator.results.sweep_rows import ORIGINAL, RETRAINED, TRIAL

Row = dict[str, Any]
RIVAL = "finetune"
"""The method with which every paper compares."""
ACCURACY, FORGOTTEN, FORGET, HIDDEN, COST = (
    "test_accuracy_retained", "test_accuracy_forgotten", "forget_accuracy", "indistinguishability", "relative_cost",
)  # fmt: skip
YES, LESS_ACCURATE, NO, UNKNOWN = "yes", "yes, less accurate", "no", "not known"
NOISE = "no, within the noise"


@dataclass(frozen=True)
class Method:
    """A method at its chosen point: the row of the search, and a row for each fresh seed."""

    name: str
    about: Row
    """The row of the search, with the counts of its trials."""
    over_seeds: Repeated

    @property
    def is_recommended(self) -> bool:
        """Whether its point is better than the original beyond the noise, in the search."""
        return bool(self.about["chosen"] == RECOMMENDED)

    @property
    def mean_score(self) -> float:
        """The mean over the seeds of the score by which points are recommended; -1 without any."""
        found = [
            value for row in self.over_seeds.repeats.values() if (value := score(row)) is not None
        ]
        return statistics.fmean(found) if found else -1.0


@dataclass(frozen=True)
class Comparison:
    """All methods on one task with one model."""

    task: str
    model: str
    trials: int
    """Most trials of a method."""
    seeds: tuple[int, ...]
    """Fresh seeds that were confirmed with."""
    references: int
    """Retrained models of each seed."""
    original: Repeated
    retrained: Repeated
    """The mean of a seed's references."""
    floors: tuple[Row, ...]
    """By column, for each seed: half the interval that holds a further retrain with 95 % probability."""
    spreads: tuple[Row, ...]
    """By column, for each seed: the standard deviation between the references."""
    methods: tuple[Method, ...]
    """By mean score, the best first."""

    @property
    def by_name(self) -> dict[str, Method]:
        """Map each method's name to it."""
        return {method.name: method for method in self.methods}

    @property
    def forgotten(self) -> str:
        """The column that says what is left of the forget set."""
        has_class = any(row[FORGOTTEN] is not None for row in self.original.repeats.values())
        return FORGOTTEN if has_class else FORGET

    def gain(self, method: Method, column: str = HIDDEN) -> Estimate | None:
        """Estimate by how much a method has more than finetune in a column, seed by seed."""
        rival = self.by_name.get(RIVAL)
        return method.over_seeds.compare_with(rival.over_seeds, column) if rival else None

    def judge(self, method: Method) -> str:
        """Tell whether a method beats finetune: the whole interval of its gain is above 0.

        The gain is in indistinguishability. Less accurate means that the mean accuracy is below
        finetune's by more than a further retrain may lie from the mean of the references: intervals over
        few seeds are too wide to show a loss. Within the noise: the gain is above 0, but the search found
        no point that is better than the original by more than retrains differ. Not known: fewer than two
        seeds have both.
        """
        gain, accuracy = self.gain(method), self.gain(method, ACCURACY)
        if gain is None or gain.half is None or accuracy is None:
            return UNKNOWN
        if gain.mean - gain.half <= 0:
            return NO
        if not method.is_recommended:
            return NOISE
        noise = [widths[ACCURACY] for widths in self.floors if ACCURACY in widths]
        return LESS_ACCURATE if noise and accuracy.mean < -statistics.fmean(noise) else YES


def compare_methods(rows: Iterable[Row]) -> list[Comparison]:
    """Return a comparison for each task and model among the rows, in their order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["model"]), []).append(row)
    return [_compare(*key, group) for key, group in groups.items()]


def _compare(task: str, model: str, rows: list[Row]) -> Comparison:
    methods = [_build_method(name, rows) for name in dict.fromkeys(_list_names(rows))]
    repeats = [row for row in rows if row["confirms"]]
    seeds = sorted({row["task_seed"] for row in repeats})
    by_seed = [[row for row in repeats if row["task_seed"] == seed] for seed in seeds]
    floors = [floor for group in by_seed if (floor := find_noise_floor(group)) is not None]
    columns = (ACCURACY, FORGOTTEN, FORGET, HIDDEN)
    means = average_references(rows)
    return Comparison(
        task=task,
        model=model,
        trials=max((method.about["trials"] for method in methods), default=0),
        seeds=tuple(seeds),
        references=max((row["references"] or 0 for row in rows), default=0),
        original=_repeat_model(ORIGINAL, means),
        retrained=_repeat_model(RETRAINED, means),
        floors=tuple({c: f.width(c) for c in columns if f.values(c)} for f in floors),
        spreads=tuple({c: f.spread(c) for c in columns if f.values(c)} for f in floors),
        methods=tuple(sorted(methods, key=lambda method: -method.mean_score)),
    )


def _list_names(rows: Iterable[Row]) -> list[str]:
    return [row["unlearner"] for row in rows if row["role"] == TRIAL]


def _build_method(name: str, rows: Iterable[Row]) -> Method:
    own = [row for row in rows if row["role"] == TRIAL and row["unlearner"] == name]
    about = next(row for row in own if not row["confirms"])
    found = Repeated(about)
    for row in own:
        if not row["confirms"]:
            continue
        found.tried.add(row["task_seed"])
        is_reached = row["state"] != "failed" and row["epoch"] == about["epoch"]
        if about["chosen"] != NOTHING and is_reached:
            found.repeats[row["task_seed"]] = row
    return Method(name, about, found)


def _repeat_model(role: str, rows: Iterable[Row]) -> Repeated:
    """Return a model with its row of each fresh seed; `rows` have one retrained model a sweep."""
    own = [row for row in rows if row["role"] == role]
    found = Repeated(next((row for row in own if not row["confirms"]), {}))
    for row in own:
        if row["confirms"]:
            found.tried.add(row["task_seed"])
            found.repeats[row["task_seed"]] = row
    return found
