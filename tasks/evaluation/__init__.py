"""The metrics: one function each, and one line here. Names are the columns of the results store."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.evaluation.outputs import Evaluation


@dataclass(frozen=True)
class Metric:
    """A number read off a model's outputs."""

    function: str
    """`module:function` in this package, taking an Evaluation and giving a float or None."""
    help: str
    """One line, with the ideal value."""


METRICS: dict[str, Metric] = {
    "validation_accuracy": Metric(
        "accuracy:validation_accuracy", "accuracy on the validation half, all classes"
    ),
    "validation_accuracy_retained": Metric(
        "accuracy:validation_accuracy_retained",
        "accuracy on the validation half, retained classes: steers the search",
    ),
    "test_accuracy": Metric("accuracy:test_accuracy", "accuracy on the test half, all classes"),
    "test_accuracy_retained": Metric(
        "accuracy:test_accuracy_retained", "accuracy on the test half, retained classes"
    ),
    "test_accuracy_forgotten": Metric(
        "accuracy:test_accuracy_forgotten",
        "accuracy on the test half, forgotten classes; null where no class is forgotten",
    ),
    "retain_accuracy": Metric(
        "accuracy:retain_accuracy", "accuracy on a fixed sample of up to 5,000 of the retain set"
    ),
    "forget_accuracy": Metric("accuracy:forget_accuracy", "accuracy on the forget set"),
    "mia_simple_accuracy": Metric(
        "attacks.loss:mia_simple_accuracy",
        "accuracy of the loss attack, forget set against the whole test half; ideal .5",
    ),
    "mia_class_matched_accuracy": Metric(
        "attacks.loss:mia_class_matched_accuracy",
        "accuracy of the loss attack on up to half of the forget set, against test examples of the "
        "same classes; ideal .5",
    ),
    "indistinguishability": Metric(
        "attacks.loss:indistinguishability",
        "1 - |2a - 1| of mia_class_matched_accuracy a; ideal 1",
    ),
    "validation_mia_class_matched_accuracy": Metric(
        "attacks.loss:validation_mia_class_matched_accuracy",
        "mia_class_matched_accuracy on the other half of the forget set, against validation "
        "examples; ideal .5",
    ),
    "validation_indistinguishability": Metric(
        "attacks.loss:validation_indistinguishability",
        "indistinguishability on the validation half: steers the search; ideal 1",
    ),
}

RETAIN_SAMPLE = 5_000
"""Retain examples that are evaluated: a standard error of at most .7 points, in a ninth of the time."""


def measure(evaluation: Evaluation) -> dict[str, float | None]:
    """Every registered metric of one model."""
    return {
        name: pkgutil.resolve_name(f"{__name__}.{metric.function}")(evaluation)
        for name, metric in METRICS.items()
    }
