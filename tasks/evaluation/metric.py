"""What a metric declares beside its function; from it follow columns, headings, units and notices."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tasks.evaluation.outputs import Evaluation, HeldOut
from tasks.forget_sets.traits import Trait

Half = HeldOut | Literal["none"]
"""The held-out half that a number reads; "none" reads the retain and the forget set alone."""
Best = Literal["up", "down", "references"] | float
"""Where the ideal is: more, less, the references' own value, or a number."""
Needs = Literal["outputs", "references", "original", "features", "model", "shadows", "repeats"]
"""What a metric must be given, beside the data."""
Tier = Literal["row", "request"]
"""Whether a metric is in every row, or computed only where `--metrics` names it."""
Value = float | None
"""None where a metric is undefined."""

IN_EVERY_ROW: frozenset[Needs] = frozenset({"outputs", "references"})
"""What every trial can afford."""


@dataclass(frozen=True)
class Metric:
    """A number that is read off one model, and all that the program knows of it."""

    function: Callable[[Evaluation], Value]
    help: str
    """One line."""
    half: Half
    best: Best
    unit: str = "fraction"
    needs: Needs = "outputs"
    headline: str | None = None
    """A short heading, with line breaks; a metric without one stands in no table by default."""
    only: Trait | None = None
    """The trait of a forget set without which it is undefined."""
    on_request: bool = False
    """Whether a row lacks it unless it is asked for: it takes milliseconds, or few read it."""
    fewest_references: int = 0
    """How many references it takes; with fewer it is None."""
    package: str | None = None
    """The package that computes it, if that is no dependency: `all` leaves it out."""

    @property
    def tier(self) -> Tier:
        """Tell whether it is in every row, or computed on request."""
        return "request" if self.on_request or self.needs not in IN_EVERY_ROW else "row"

    def __call__(self, evaluation: Evaluation) -> Value:
        """Measure one model."""
        return self.function(evaluation)


def metric(
    *,
    half: Half,
    best: Best,
    unit: str = "fraction",
    needs: Needs = "outputs",
    headline: str | None = None,
    only: Trait | None = None,
    on_request: bool = False,
    fewest_references: int = 0,
    package: str | None = None,
) -> Callable[[Callable[[Evaluation], Value]], Metric]:
    """Declare the function below as a metric; the first paragraph of its docstring is the help."""

    def declare(function: Callable[[Evaluation], Value]) -> Metric:
        first = inspect.cleandoc(function.__doc__ or "").partition("\n\n")[0]
        return Metric(
            function=function,
            help=" ".join(first.split()).removesuffix("."),
            half=half,
            best=best,
            unit=unit,
            needs=needs,
            headline=headline,
            only=only,
            on_request=on_request,
            fewest_references=fewest_references,
            package=package,
        )

    return declare
