"""Loss-based membership inference: can forgotten examples be told from never-seen ones?

The attack of the NeurIPS 2023 unlearning competition's starting kit: logistic regression on the
cross-entropy, cross-validated. An accuracy of .5 is ideal; below it is over-unlearning. Since 0.2.0
the feature is φ = log p_y − log(1 − p_y), which orders examples as the cross-entropy does: on
cross-entropies of 1e-3 scikit-learn's regression stops before it has learned anything. A regression
ends at its minimum here.
"""

from __future__ import annotations

import functools

import numpy as np

from tasks.evaluation.attacks.regression import fit_regressions
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, HeldOut, Outputs
from tasks.evaluation.samples import LEAST, read_forgotten, sample_of
from tasks.evaluation.statistics import auc, auc_interval, ks_distance

SPLITS = 10
SUBSAMPLE_SEED = 0


@metric(half="test", best=0.5)
def mia_simple_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy of the loss attack, forget set against the whole test half; ideal .5."""
    return simple_attack(evaluation.forget, evaluation.test)


@metric(half="test", best=0.5, headline="MIA\nmatched")
def mia_class_matched_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy of the loss attack on up to half of the forget set, against test examples
    of the same classes; ideal .5.
    """
    return class_matched_attack(evaluation, "test")


@metric(half="test", best="up")
def loss_attack_indistinguishability(evaluation: Evaluation) -> float:
    """Give 1 - |2a - 1| of mia_class_matched_accuracy a; 1 for many a model that forgot nothing."""
    return two_sided(class_matched_attack(evaluation, "test"))


@metric(half="validation", best=0.5)
def validation_mia_class_matched_accuracy(evaluation: Evaluation) -> float:
    """Measure mia_class_matched_accuracy on the other half of the forget set, against validation
    examples; ideal .5.

    What the search chose by the one half must not flatter the other.
    """
    return class_matched_attack(evaluation, "validation")


@metric(half="validation", best="up")
def validation_loss_attack_indistinguishability(evaluation: Evaluation) -> float:
    """Give loss_attack_indistinguishability on the validation half."""
    return two_sided(class_matched_attack(evaluation, "validation"))


@metric(half="test", best=0.5)
def loss_attack_auc(evaluation: Evaluation) -> float:
    """Measure the area under the ROC curve of the class-matched loss attack; ideal .5."""
    return auc(*matched_log_odds(evaluation, "test"))


@metric(half="test", best=0.5)
def loss_attack_auc_low(evaluation: Evaluation) -> float:
    """Give the lower end of the 95 % interval of loss_attack_auc (Hanley and McNeil)."""
    return auc_interval(*matched_log_odds(evaluation, "test"))[0]


@metric(half="test", best=0.5)
def loss_attack_auc_high(evaluation: Evaluation) -> float:
    """Give the upper end of the 95 % interval of loss_attack_auc (Hanley and McNeil)."""
    return auc_interval(*matched_log_odds(evaluation, "test"))[1]


@metric(half="test", best="references")
def loss_attack_ks(evaluation: Evaluation) -> float:
    """Measure the Kolmogorov-Smirnov distance of the class-matched loss attack's two sides: it also
    sees members on both sides of the others.
    """
    return ks_distance(*matched_log_odds(evaluation, "test"))


def two_sided(attack_accuracy: float) -> float:
    """Compute 1 − |2a − 1|: both a telling and a perverse attack cost."""
    return 1 - abs(2 * attack_accuracy - 1)


def simple_attack(members: Outputs, others: Outputs) -> float:
    """Attack equally many examples of either side, subsampled with a fixed seed; gives the accuracy."""
    rng = np.random.default_rng(SUBSAMPLE_SEED)
    count = min(len(members.labels), len(others.labels))
    return attack_accuracy(
        rng.permutation(members.phi)[:count], rng.permutation(others.phi)[:count]
    )


@functools.lru_cache(maxsize=2)  # several metrics of one model read the same attack
def class_matched_attack(evaluation: Evaluation, half: HeldOut) -> float:
    """Attack a half's members, among held-out examples of the same classes; gives the accuracy.

    The two halves of the held-out data never attack the same members. Raises ValueError if the
    held-out half lacks a class of the members.
    """
    return attack_accuracy(*matched_log_odds(evaluation, half))


def matched_log_odds(evaluation: Evaluation, half: HeldOut) -> tuple[np.ndarray, np.ndarray]:
    """Gather φ of a half's members, and of as many held-out examples of the same classes."""
    sample = sample_of(evaluation, half)
    members = read_forgotten(evaluation, half).phi[sample.chosen]
    return members, evaluation.held_out(half).phi[sample.others]


def attack_accuracy(members: np.ndarray, others: np.ndarray) -> float:
    """Average the accuracy of logistic regression on one feature over ten stratified shuffle splits.

    Takes two equally long vectors; the accuracy is a fraction, .5 if nothing can be told. Raises
    ValueError for fewer than six of either.
    Source: the starting kit of the NeurIPS 2023 machine unlearning competition.
    """
    feature = np.concatenate([others, members])
    is_member = _membership(len(others), len(members))
    fit, score = _folds(len(others), len(members))
    slopes, intercepts = fit_regressions(feature[fit], is_member[fit[0]])
    guesses = feature[score] * slopes[:, None] + intercepts[:, None] > 0
    return float((guesses == is_member[score]).mean())


def _membership(others: int, members: int) -> np.ndarray:
    return np.repeat([0, 1], [others, members])


@functools.lru_cache(maxsize=8)  # the same few sizes for every model of a task
def _folds(others: int, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the splits of `others` rows and the `members` behind them: indices to fit and to score, a row each.

    A tenth of either side is scored. Up to 0.1.0 the splits were those of scikit-learn's
    StratifiedShuffleSplit(n_splits=10, random_state=0), bit by bit; these are other draws of the
    same kind, hence values differ within the attack's noise.
    """
    if min(others, members) < LEAST:
        raise ValueError(
            f"{members} members are too few for an attack: at least {LEAST} on either side"
        )
    rng = np.random.default_rng(SUBSAMPLE_SEED)
    splits = []
    for _ in range(SPLITS):
        sides = rng.permutation(others), others + rng.permutation(members)
        cuts = [max(1, round(len(side) / 10)) for side in sides]
        score = np.concatenate([side[:cut] for side, cut in zip(sides, cuts, strict=True)])
        fit = np.concatenate([side[cut:] for side, cut in zip(sides, cuts, strict=True)])
        splits.append((fit, score))
    fits, scores = zip(*splits, strict=True)
    return np.stack(fits), np.stack(scores)
