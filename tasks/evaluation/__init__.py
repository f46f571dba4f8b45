"""The metrics: one function each, and one line here. Names are the columns of the results store."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Collection
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.evaluation.metric import IN_A_SWEEP, Metric, Needs, Value
from tasks.registry import Registry

if TYPE_CHECKING:
    from tasks.evaluation.outputs import Evaluation

METRICS = Registry(
    "metric",
    "orchestrator.metrics",
    {
        "validation_accuracy": "tasks.evaluation.accuracy:validation_accuracy",
        "validation_accuracy_retained": "tasks.evaluation.accuracy:validation_accuracy_retained",
        "test_accuracy": "tasks.evaluation.accuracy:test_accuracy",
        "test_accuracy_retained": "tasks.evaluation.accuracy:test_accuracy_retained",
        "test_accuracy_forgotten": "tasks.evaluation.accuracy:test_accuracy_forgotten",
        "retain_accuracy": "tasks.evaluation.accuracy:retain_accuracy",
        "forget_accuracy": "tasks.evaluation.accuracy:forget_accuracy",
        "mia_simple_accuracy": "tasks.evaluation.attacks.loss:mia_simple_accuracy",
        "mia_class_matched_accuracy": "tasks.evaluation.attacks.loss:mia_class_matched_accuracy",
        "indistinguishability": "tasks.evaluation.attacks.loss:indistinguishability",
        "validation_mia_class_matched_accuracy": (
            "tasks.evaluation.attacks.loss:validation_mia_class_matched_accuracy"
        ),
        "validation_indistinguishability": (
            "tasks.evaluation.attacks.loss:validation_indistinguishability"
        ),
    },
)

RETAIN_SAMPLE = 5_000
"""Retain examples that are evaluated: a standard error of at most .7 points, in a ninth of the time."""


def metric_named(name: str) -> Metric:
    """Give the declaration of a registered metric, of a plug-in, or of `module:attribute`.

    Raises InvalidValue: for an unknown name, listing the valid ones, and for a broken plug-in.
    """
    found = METRICS.resolve(name)
    if not isinstance(found, Metric):
        raise InvalidValue(f"metric {name!r} is not declared by tasks.evaluation.metric.metric")
    return found


@functools.cache
def every_metric() -> dict[str, Metric]:
    """Give the declaration of each registered metric, then of each plug-in that is installed.

    A plug-in that cannot be imported is left out, with a warning.
    """
    found = {name: metric_named(name) for name in METRICS}
    for plugin in entry_points(group=METRICS.group):
        if plugin.name in METRICS:
            warnings.warn(f"metric {plugin.name!r} of a plug-in: the name is taken", stacklevel=2)
            continue
        try:
            found[plugin.name] = metric_named(plugin.name)
        except InvalidValue as error:
            warnings.warn(f"left out a metric: {error}", stacklevel=2)
    return found


def measure(evaluation: Evaluation, needs: Collection[Needs] = IN_A_SWEEP) -> dict[str, Value]:
    """Measure one model by every metric; one with other needs than these is None."""
    return {
        name: metric(evaluation) if metric.needs in needs else None
        for name, metric in every_metric().items()
    }
