"""Metrics of a method by shadow models: attacks at their strongest, and distributions over seeds.

They are of a method with its hyper-parameters: of the original and of a reference they are null.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from tasks.evaluation.attacks.rates import true_positive_rate
from tasks.evaluation.logits import log_odds
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation
from tasks.evaluation.shadows.forgetting_quality import FEWEST, Quality
from tasks.evaluation.shadows.forgetting_quality import forgetting_quality as compute_quality
from tasks.evaluation.shadows.incidence import OUT, UNLEARN
from tasks.evaluation.shadows.klom import Klom, klom
from tasks.evaluation.shadows.likelihood import (
    attack_each,
    bootstrap_auc,
    measure_auc,
    score_offline,
    score_u_lira,
)
from tasks.evaluation.shadows.outputs import RoleSignals
from tasks.evaluation.shadows.rmia import attack_each_online
from tasks.evaluation.shadows.swap import swap_over_models
from tasks.roles import FEWEST_HALVED
from tasks.scoring.memorisation import measure_memorisation

SEED = 0
over_seeds = functools.partial(metric, half="none", best="references", needs="repeats")
"""Declares a metric of the distribution over training seeds."""


@metric(half="none", best=0.5, needs="shadows")
def u_lira_auc(evaluation: Evaluation) -> float | None:
    """Tell examples that shadow models unlearned from those that they never saw, by U-LiRA: ideal .5.

    Each shadow model is attacked with the others. Range [0, 1]; above .5 a trace is left, of too little or
    of too much unlearning: see u_lira_offline_auc. Without any trace few models give less than .5: 8 models .44,
    16 .48, 64 .50. Cost: 16 trainings. Source: Hayes et al., 2025.
    """
    return _read(evaluation, lambda seen: measure_auc(_scores(seen), *_sides(seen)))


@metric(half="none", best=0.5, needs="shadows")
def u_lira_auc_low(evaluation: Evaluation) -> float | None:
    """Give the lower end of the 95 % interval of u_lira_auc, by draws of models, then of examples."""
    return _read(evaluation, lambda seen: _interval(seen)[0])


@metric(half="none", best=0.5, needs="shadows")
def u_lira_auc_high(evaluation: Evaluation) -> float | None:
    """Give the upper end of the 95 % interval of u_lira_auc."""
    return _read(evaluation, lambda seen: _interval(seen)[1])


@metric(half="none", best=0.01, needs="shadows")
def u_lira_tpr_1_percent(evaluation: Evaluation) -> float | None:
    """Measure the share of unlearned examples that U-LiRA finds while it takes 1 % of the others for such.

    Range [0, 1], ideal .01. Null with fewer than 100 pairs of a model and an example that it never saw.
    """

    def rate(seen: RoleSignals) -> float | None:
        scores, (unlearned, never) = _scores(seen), _sides(seen)
        found = true_positive_rate(scores[unlearned], scores[never], 0.01)
        return None if found is None else found.value

    return _read(evaluation, rate)


@metric(half="none", best=0.5, needs="shadows")
def u_lira_offline_auc(evaluation: Evaluation) -> float | None:
    """Rank the log odds of unlearned examples among those never seen, calibrated by models that never saw them.

    Range [0, 1], ideal .5: above it under-, below it over-unlearned. Source: Carlini et al., 2022, offline.
    """
    return _read(evaluation, lambda seen: _offline(seen.after, *_sides(seen)))


@metric(half="none", best=0.5, needs="shadows")
def ruli_efficacy_auc(evaluation: Evaluation) -> float | None:
    """Tell unlearned examples from those never seen by a model that unlearned nothing: ideal .5.

    Offline, with the models before unlearning as retrained ones. Range [0, 1]; below .5 over-unlearned.
    The score is LiRA's offline one: the authors compare kernel densities, whose width of 1 is a hidden constant.
    Source: Naderloui et al. (RULI), 2025.
    """

    def area(seen: RoleSignals) -> float:
        sides = _sides(seen)
        return measure_auc(attack_each(seen.after, *sides, score_offline, seen.before), *sides)

    return _read(evaluation, area)


@metric(half="validation", best=0.5, needs="shadows")
def rmia_online_auc(evaluation: Evaluation) -> float | None:
    """Tell unlearned examples from those never seen by RMIA, online, with validation images as population: ideal .5.

    Each shadow model is attacked with the others. Range [0, 1]; above .5 under-, below it over-unlearned.
    Source: Zarifzadeh et al., 2024.
    """

    def area(seen: RoleSignals) -> float:
        sides = _sides(seen)
        return measure_auc(attack_each_online(seen.after, *sides, seen.population), *sides)

    return _read(evaluation, area)


@metric(half="none", best=0.0, needs="shadows")
def swap_advantage(evaluation: Evaluation) -> float | None:
    """Measure the advantage of the loss attack after unlearning, where examples swap their roles between models.

    Taken for a member is what has a log odds above the model's median. Range [0, 1]; ideal 0, which retrained
    models have by construction. Either sign of a trace counts. Source: Tu et al., 2025.
    """

    def advantage(seen: RoleSignals) -> float:
        unlearned, never = _sides(seen)
        judged = np.where(unlearned | never, seen.after, np.nan)
        taken = seen.after > np.nanmedian(judged, axis=1, keepdims=True)
        return swap_over_models(taken, unlearned, never)

    return _read(evaluation, advantage)


@metric(half="none", best="up", needs="shadows")
def lira_original_auc(evaluation: Evaluation) -> float | None:
    """Tell seen examples from those never seen before any unlearning: what there is to forget, in [0, 1]."""

    def area(seen: RoleSignals) -> float:
        never = seen.roles == OUT
        return _offline(seen.before, ~never, never)

    return _read(evaluation, area)


@metric(half="none", best="up", needs="shadows", unit="difference")
def mean_memorisation(evaluation: Evaluation) -> float | None:
    """Measure how much more often the shadow models are right on examples that they saw: their mean memorisation.

    Range [−1, 1]. It describes the target examples, not the method. Source: Feldman and Zhang, 2020.
    """
    return _read(
        evaluation, lambda seen: float(measure_memorisation(seen.correct, seen.roles != OUT).mean())
    )


@over_seeds(fewest_references=2 * FEWEST)
def forgetting_quality(evaluation: Evaluation) -> float | None:
    """Measure how hard N unlearned models are to tell from N retrained ones, example by example: F; null for N < 3.

    Range [0, 1]; the ideal is forgetting_quality_null, at the same N, which is half of the references. 0
    for a method without chance. Source: Triantafillou et al., 2024.
    """
    found = _quality(evaluation)
    return None if found is None else found.value


@over_seeds(fewest_references=2 * FEWEST)
def forgetting_quality_null(evaluation: Evaluation) -> float | None:
    """Measure forgetting_quality of one half of the references against the other: its ideal."""
    found = _quality(evaluation)
    return None if found is None else found.null


@over_seeds(unit="nats", fewest_references=FEWEST_HALVED)
def klom_mean(evaluation: Evaluation) -> float | None:
    """Measure the divergence of N unlearned models' margins from N retrained ones', mean over the forget set.

    Range [0, 11.5]; the ideal is klom_floor, not 0. N is half of the references. Source: Georgiev et al., 2025.
    """
    found = _klom(evaluation)
    return None if found is None else found.mean


@over_seeds(unit="nats", fewest_references=FEWEST_HALVED)
def klom_95(evaluation: Evaluation) -> float | None:
    """Measure klom_mean as the 95th percentile over the forget set; its floor is klom_floor_95."""
    found = _klom(evaluation)
    return None if found is None else found.high


@over_seeds(unit="nats", fewest_references=FEWEST_HALVED)
def klom_floor(evaluation: Evaluation) -> float | None:
    """Measure klom_mean of one half of the references against the other: its ideal."""
    found = _klom(evaluation)
    return None if found is None else found.floor_mean


@over_seeds(unit="nats", fewest_references=FEWEST_HALVED)
def klom_floor_95(evaluation: Evaluation) -> float | None:
    """Measure klom_95 of one half of the references against the other: its ideal."""
    found = _klom(evaluation)
    return None if found is None else found.floor_high


def _read(evaluation: Evaluation, what: Callable[[RoleSignals], float | None]) -> float | None:
    seen = None if evaluation.shadows is None else evaluation.shadows.roles
    return None if seen is None else what(seen)


def _sides(seen: RoleSignals) -> tuple[np.ndarray, np.ndarray]:
    """Give the masks of the pairs that were unlearned, and of those never seen."""
    return seen.roles == UNLEARN, seen.roles == OUT


@functools.lru_cache(maxsize=1)  # several metrics of one method read the same attack
def _scores(seen: RoleSignals) -> np.ndarray:
    return attack_each(seen.after, *_sides(seen), score_u_lira)


@functools.lru_cache(maxsize=1)
def _interval(seen: RoleSignals) -> tuple[float, float]:
    return bootstrap_auc(_scores(seen), *_sides(seen), np.random.default_rng(SEED))


def _offline(signals: np.ndarray, inside: np.ndarray, never: np.ndarray) -> float:
    return measure_auc(attack_each(signals, inside, never, score_offline), inside, never)


def _populations(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray] | None:
    """Give φ of the unlearned and of the retrained models at the forget set."""
    unlearned = None if evaluation.shadows is None else evaluation.shadows.repeats
    if unlearned is None or evaluation.references is None:
        return None
    retrained = log_odds(evaluation.references.forget, evaluation.forget.labels)
    return unlearned, retrained


@functools.lru_cache(maxsize=1)
def _quality(evaluation: Evaluation) -> Quality | None:
    found = _populations(evaluation)
    return None if found is None else compute_quality(*found)


@functools.lru_cache(maxsize=1)
def _klom(evaluation: Evaluation) -> Klom | None:
    found = _populations(evaluation)
    return None if found is None else klom(*found)
