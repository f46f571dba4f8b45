"""The metrics: one function each, and one line here. Names are the columns of the results store."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.evaluation.metric import Metric, Value
from tasks.registry import Registry, one_of

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
        "test_accuracy_worst_class": "tasks.evaluation.accuracy:test_accuracy_worst_class",
        "retain_accuracy": "tasks.evaluation.accuracy:retain_accuracy",
        "forget_accuracy": "tasks.evaluation.accuracy:forget_accuracy",
        "mia_simple_accuracy": "tasks.evaluation.attacks.loss:mia_simple_accuracy",
        "mia_class_matched_accuracy": "tasks.evaluation.attacks.loss:mia_class_matched_accuracy",
        "indistinguishability": "tasks.evaluation.attacks.indistinguishability:indistinguishability",
        "validation_mia_class_matched_accuracy": (
            "tasks.evaluation.attacks.loss:validation_mia_class_matched_accuracy"
        ),
        "validation_indistinguishability": (
            "tasks.evaluation.attacks.indistinguishability:validation_indistinguishability"
        ),
        "loss_attack_indistinguishability": (
            "tasks.evaluation.attacks.loss:loss_attack_indistinguishability"
        ),
        "validation_loss_attack_indistinguishability": (
            "tasks.evaluation.attacks.loss:validation_loss_attack_indistinguishability"
        ),
        "loss_attack_auc": "tasks.evaluation.attacks.loss:loss_attack_auc",
        "loss_attack_auc_low": "tasks.evaluation.attacks.loss:loss_attack_auc_low",
        "loss_attack_auc_high": "tasks.evaluation.attacks.loss:loss_attack_auc_high",
        "loss_attack_ks": "tasks.evaluation.attacks.loss:loss_attack_ks",
        "membership_advantage": "tasks.evaluation.attacks.membership:membership_advantage",
        "validation_membership_advantage": (
            "tasks.evaluation.attacks.membership:validation_membership_advantage"
        ),
        "identity_advantage": "tasks.evaluation.attacks.identity:identity_advantage",
        "validation_identity_advantage": (
            "tasks.evaluation.attacks.identity:validation_identity_advantage"
        ),
        "forget_divergence": "tasks.evaluation.distances:forget_divergence",
        "validation_forget_divergence": "tasks.evaluation.distances:validation_forget_divergence",
        "forget_divergence_floor": "tasks.evaluation.distances:forget_divergence_floor",
        "confidence_ks": "tasks.evaluation.distances:confidence_ks",
        "oracle_auc": "tasks.evaluation.distances:oracle_auc",
        "tow": "tasks.evaluation.composite:tow",
        "over_unlearned": "tasks.evaluation.composite:over_unlearned",
        "under_unlearned": "tasks.evaluation.composite:under_unlearned",
        "targeted_error": "tasks.evaluation.traits.taught_errors:targeted_error",
        "validation_targeted_error": "tasks.evaluation.traits.taught_errors:validation_targeted_error",
        "interclass_error": "tasks.evaluation.traits.taught_errors:interclass_error",
        "forget_targeted_error": "tasks.evaluation.traits.taught_errors:forget_targeted_error",
        "attack_success": "tasks.evaluation.traits.taught_errors:attack_success",
        "validation_attack_success": "tasks.evaluation.traits.taught_errors:validation_attack_success",
        "learned_accuracy": "tasks.evaluation.traits.updates:learned_accuracy",
        "stale_answers": "tasks.evaluation.traits.updates:stale_answers",
        "verification_auc": "tasks.evaluation.traits.verification:verification_auc",
        "validation_verification_auc": "tasks.evaluation.traits.verification:validation_verification_auc",
        "verification_leakage": "tasks.evaluation.traits.verification:verification_leakage",
        "validation_verification_leakage": (
            "tasks.evaluation.traits.verification:validation_verification_leakage"
        ),
        "test_accuracy_forgotten_part": "tasks.evaluation.traits.forgotten_parts:test_accuracy_forgotten_part",
        "validation_accuracy_forgotten_part": (
            "tasks.evaluation.traits.forgotten_parts:validation_accuracy_forgotten_part"
        ),
        "activation_distance": "tasks.evaluation.distances:activation_distance",
        "excess_divergence": "tasks.evaluation.distances:excess_divergence",
        "share_over_unlearned": "tasks.evaluation.distances:share_over_unlearned",
        "share_under_unlearned": "tasks.evaluation.distances:share_under_unlearned",
        "loss_attack_tpr_1_percent": "tasks.evaluation.attacks.rates:loss_attack_tpr_1_percent",
        "loss_attack_tpr_1_percent_low": "tasks.evaluation.attacks.rates:loss_attack_tpr_1_percent_low",
        "loss_attack_tpr_1_percent_high": "tasks.evaluation.attacks.rates:loss_attack_tpr_1_percent_high",
        "loss_attack_tpr_tenth_percent": "tasks.evaluation.attacks.rates:loss_attack_tpr_tenth_percent",
        "loss_attack_tpr_tenth_percent_low": "tasks.evaluation.attacks.rates:loss_attack_tpr_tenth_percent_low",
        "loss_attack_tpr_tenth_percent_high": "tasks.evaluation.attacks.rates:loss_attack_tpr_tenth_percent_high",
        "audited_epsilon": "tasks.evaluation.attacks.rates:audited_epsilon",
        "svc_mia_correctness": "tasks.evaluation.attacks.svc:svc_mia_correctness",
        "svc_mia_confidence": "tasks.evaluation.attacks.svc:svc_mia_confidence",
        "svc_mia_entropy": "tasks.evaluation.attacks.svc:svc_mia_entropy",
        "svc_mia_modified_entropy": "tasks.evaluation.attacks.svc:svc_mia_modified_entropy",
        "svc_mia_probability": "tasks.evaluation.attacks.svc:svc_mia_probability",
        "entropy_lr_members": "tasks.evaluation.attacks.entropy:entropy_lr_members",
        "rmia_auc": "tasks.evaluation.attacks.calibrated:rmia_auc",
        "interpolation_score": "tasks.evaluation.attacks.calibrated:interpolation_score",
        "retained_class_leak": "tasks.evaluation.attacks.two_sample:retained_class_leak",
        "tow_mia": "tasks.evaluation.scores:tow_mia",
        "nomus": "tasks.evaluation.scores:nomus",
        "aus_random": "tasks.evaluation.scores:aus_random",
        "aus_class": "tasks.evaluation.scores:aus_class",
        "zrf": "tasks.evaluation.looks.random_network:zrf",
        "cka_to_original_gap": "tasks.evaluation.looks.representation:cka_to_original_gap",
        "cka_to_references_gap": "tasks.evaluation.looks.representation:cka_to_references_gap",
        "probe_recovery_gap": "tasks.evaluation.looks.probes:probe_recovery_gap",
        "knn_recovery_gap": "tasks.evaluation.looks.probes:knn_recovery_gap",
        "relearn_gap_retain": "tasks.evaluation.looks.relearning:relearn_gap_retain",
        "relearn_gap_tenth": "tasks.evaluation.looks.relearning:relearn_gap_tenth",
        "ain": "tasks.evaluation.looks.relearning:ain",
        "quantised_8_bit_gap": "tasks.evaluation.looks.quantisation:quantised_8_bit_gap",
        "quantised_4_bit_gap": "tasks.evaluation.looks.quantisation:quantised_4_bit_gap",
        "quantised_3_bit_gap": "tasks.evaluation.looks.quantisation:quantised_3_bit_gap",
        "fgsm_gap": "tasks.evaluation.looks.adversarial:fgsm_gap",
        "pgd_gap": "tasks.evaluation.looks.adversarial:pgd_gap",
        "autoattack_gap": "tasks.evaluation.looks.autoattack:autoattack_gap",
        "corruption_gap": "tasks.evaluation.looks.shifted:corruption_gap",
        "worst_corruption_gap": "tasks.evaluation.looks.shifted:worst_corruption_gap",
        "u_lira_auc": "tasks.evaluation.shadows.metrics:u_lira_auc",
        "u_lira_auc_low": "tasks.evaluation.shadows.metrics:u_lira_auc_low",
        "u_lira_auc_high": "tasks.evaluation.shadows.metrics:u_lira_auc_high",
        "u_lira_tpr_1_percent": "tasks.evaluation.shadows.metrics:u_lira_tpr_1_percent",
        "u_lira_offline_auc": "tasks.evaluation.shadows.metrics:u_lira_offline_auc",
        "ruli_efficacy_auc": "tasks.evaluation.shadows.metrics:ruli_efficacy_auc",
        "rmia_online_auc": "tasks.evaluation.shadows.metrics:rmia_online_auc",
        "swap_advantage": "tasks.evaluation.shadows.metrics:swap_advantage",
        "lira_original_auc": "tasks.evaluation.shadows.metrics:lira_original_auc",
        "mean_memorisation": "tasks.evaluation.shadows.metrics:mean_memorisation",
        "forgetting_quality": "tasks.evaluation.shadows.metrics:forgetting_quality",
        "forgetting_quality_null": "tasks.evaluation.shadows.metrics:forgetting_quality_null",
        "klom_mean": "tasks.evaluation.shadows.metrics:klom_mean",
        "klom_95": "tasks.evaluation.shadows.metrics:klom_95",
        "klom_floor": "tasks.evaluation.shadows.metrics:klom_floor",
        "klom_floor_95": "tasks.evaluation.shadows.metrics:klom_floor_95",
    },
)

TRAINS = ("shadows", "repeats")
"""Needs for which further models are trained."""
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


def list_in_rows() -> list[str]:
    """List the metrics that every row has."""
    return [name for name, metric in every_metric().items() if metric.tier == "row"]


def list_on_request() -> list[str]:
    """List the metrics that no row has unless they are asked for."""
    return [name for name, metric in every_metric().items() if metric.tier == "request"]


def list_of_shadows() -> list[str]:
    """List the metrics for which shadow models are trained."""
    return [name for name, metric in every_metric().items() if metric.needs in TRAINS]


def choose_metrics(text: str) -> tuple[str, ...]:
    """Return the metrics on request that a text names: `all`, `shadows`, names, or `-NAME` to leave one out.

    `all` are those that train no shadow models and need no further package; `shadows` are those that train
    some. Raises InvalidValue for an unknown name, and for a metric whose package is not installed.
    """
    known = list_on_request()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    needing = {name for name in known if every_metric()[name].package}
    groups = {"all": {*known} - {*list_of_shadows()} - needing, "shadows": {*list_of_shadows()}}
    valid = (*groups, *known, *METRICS)
    names = {part: one_of("metric", part.removeprefix("-"), valid) for part in parts}
    left_out = {name for part, name in names.items() if part.startswith("-")}
    asked = {*parts}.union(*(group for name, group in groups.items() if name in parts))
    chosen = tuple(name for name in known if name in asked and name not in left_out)
    for name in needing.intersection(chosen):
        package = str(every_metric()[name].package)
        if find_spec(package) is None:
            raise InvalidValue(
                f"--metrics {name} needs the package {package}: pip install {package}"
            )
    return chosen


def names_shadows(text: str) -> bool:
    """Tell whether a text as `choose_metrics` takes it names a metric for which shadow models are trained."""
    return not set(choose_metrics(text)).isdisjoint(list_of_shadows())


def measure_steering(evaluation: Evaluation, columns: Collection[str] = ()) -> dict[str, Value]:
    """Measure one model by the metrics of the validation half, and by those of a row that `columns` name."""
    in_rows = ((name, metric) for name, metric in every_metric().items() if metric.tier == "row")
    wanted = ((n, metric) for n, metric in in_rows if metric.half == "validation" or n in columns)
    return {name: metric(evaluation) for name, metric in wanted}


def measure(
    evaluation: Evaluation,
    asked: Collection[str] = (),
    known: Mapping[str, Value] = MappingProxyType({}),
) -> dict[str, Value]:
    """Measure one model by every metric of a row, but for those that are `known`, and by those `asked` for."""
    return {
        name: known[name] if name in known else metric(evaluation)
        for name, metric in every_metric().items()
        if metric.tier == "row" or name in asked
    }
