"""Loss-based membership inference: can forgotten examples be told from never-seen ones?

The attack of the NeurIPS 2023 unlearning competition's starting kit: logistic regression on the
cross-entropy, cross-validated. An accuracy of .5 is ideal; below it is over-unlearning.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation, Outputs

SPLITS = 10
LEAST = 6
"""Rows of either side below which no attack is fitted."""
SUBSAMPLE_SEED = 0
STOPPING = {"maxiter": 100, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
"""When scikit-learn's LogisticRegression() ends its search."""


@metric(half="test", best=0.5)
def mia_simple_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy of the loss attack, forget set against the whole test half; ideal .5."""
    return simple_attack(evaluation.forget, evaluation.test)


@metric(half="test", best=0.5, headline="MIA\nmatched")
def mia_class_matched_accuracy(evaluation: Evaluation) -> float:
    """Measure the accuracy of the loss attack on up to half of the forget set, against test examples
    of the same classes; ideal .5.
    """
    return class_matched_attack(evaluation.forget, evaluation.test)


@metric(half="test", best="up", headline="indistin-\nguishability")
def indistinguishability(evaluation: Evaluation) -> float:
    """Give 1 - |2a - 1| of mia_class_matched_accuracy a; ideal 1."""
    return two_sided(class_matched_attack(evaluation.forget, evaluation.test))


@metric(half="validation", best=0.5)
def validation_mia_class_matched_accuracy(evaluation: Evaluation) -> float:
    """Measure mia_class_matched_accuracy on the other half of the forget set, against validation
    examples; ideal .5.

    What the search chose by the one half must not flatter the other.
    """
    return class_matched_attack(evaluation.forget, evaluation.validation, last=True)


@metric(half="validation", best="up")
def validation_indistinguishability(evaluation: Evaluation) -> float:
    """Give 1 - |2a - 1| on the validation half: steers the search; ideal 1."""
    return two_sided(class_matched_attack(evaluation.forget, evaluation.validation, last=True))


def two_sided(attack_accuracy: float) -> float:
    """1 − |2a − 1|: both a telling and a perverse attack cost."""
    return 1 - abs(2 * attack_accuracy - 1)


def simple_attack(members: Outputs, others: Outputs) -> float:
    """Attack accuracy on equally many losses of either side, subsampled with a fixed seed."""
    rng = np.random.default_rng(SUBSAMPLE_SEED)
    count = min(len(members.labels), len(others.labels))
    return attack_accuracy(
        rng.permutation(members.losses)[:count], rng.permutation(others.losses)[:count]
    )


@functools.lru_cache(maxsize=2)  # several metrics of one model read the same attack
def class_matched_attack(members: Outputs, others: Outputs, last: bool = False) -> float:
    """Attack accuracy where both sides have the same number of examples of every class.

    The largest such samples of up to half of the members that keep their class histogram, up to
    rounding; drawn with a fixed seed, the `last` or else the first members of a random order, so that
    the two halves of the held-out data never attack the same ones. Raises ValueError if `others`
    lacks a class of the members.
    """
    rng = np.random.default_rng(SUBSAMPLE_SEED)
    classes, counts = np.unique(members.labels, return_counts=True)
    available = np.array([(others.labels == c).sum() for c in classes])
    if not available.all():
        raise ValueError("the held-out data lack a class of the forget set")
    share = min(0.5, float((available / counts).min()))
    wanted = np.maximum(1, np.floor(counts * share + 1e-9).astype(int))
    chosen = _draw(members, classes, wanted, rng, last)
    return attack_accuracy(chosen, _draw(others, classes, wanted, rng))


def _draw(
    outputs: Outputs,
    classes: np.ndarray,
    wanted: np.ndarray,
    rng: np.random.Generator,
    last: bool = False,
) -> np.ndarray:
    chosen = []
    for c, count in zip(classes, wanted, strict=True):
        order = rng.permutation(np.flatnonzero(outputs.labels == c))
        chosen.append(order[-count:] if last else order[:count])
    return outputs.losses[np.concatenate(chosen)]


def attack_accuracy(member_losses: np.ndarray, other_losses: np.ndarray) -> float:
    """Mean accuracy over ten stratified shuffle splits of logistic regression on the loss.

    Takes two equally long vectors; the accuracy is a fraction, .5 if nothing can be told. Raises
    ValueError for fewer than six of either.
    Source: the starting kit of the NeurIPS 2023 machine unlearning competition.
    """
    losses = np.concatenate([other_losses, member_losses])
    is_member = _membership(len(other_losses), len(member_losses))
    scores = []
    with _matrix_products().limit(limits=1):
        for fit, score in _folds(len(other_losses), len(member_losses)):
            slope, intercept = logistic_regression(losses[fit], is_member[fit])
            guess = losses[score] * slope + intercept > 0
            scores.append((guess == is_member[score]).mean())
    return float(np.mean(scores))


@functools.cache
def _matrix_products() -> Any:
    """The threads of SciPy's matrix products: of two numbers they cost ten times the work itself."""
    import scipy.optimize  # noqa: F401  # what it loads is looked for
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(internal_api="openblas")


def logistic_regression(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that scikit-learn's LogisticRegression() fits to one feature.

    `x` (N,) and `y` (N,) of 0 and 1; its default penalty and stopping rule. Of a thousand rows with one
    feature its checks take longer than the fit.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    count = len(x)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        slope, intercept = weights
        raw = x * slope + intercept
        value = (np.logaddexp(0.0, raw) - y * raw).sum() + slope * slope / 2
        wrong = expit(raw) - y
        return value / count, np.array([(x * wrong).sum() + slope, wrong.sum()]) / count

    found = minimize(loss, np.zeros(2), method="L-BFGS-B", jac=True, options=STOPPING)
    return float(found.x[0]), float(found.x[1])


def _membership(others: int, members: int) -> np.ndarray:
    return np.repeat([0, 1], [others, members])


@functools.lru_cache(maxsize=8)  # the same few sizes for every model of a task
def _folds(others: int, members: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw the splits, (indices to fit, indices to score) each, of `others` rows and the `members` behind them.

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
    return splits
