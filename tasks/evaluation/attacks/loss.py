"""Loss-based membership inference: can forgotten examples be told from never-seen ones?

The attack of the NeurIPS 2023 unlearning competition's starting kit: logistic regression on the
cross-entropy, cross-validated. An accuracy of .5 is ideal; below it is over-unlearning.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tasks.evaluation.outputs import Evaluation, Outputs

SPLITS = 10
SUBSAMPLE_SEED = 0
STOPPING = {"maxiter": 100, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
"""When scikit-learn's LogisticRegression() ends its search."""


def mia_simple_accuracy(evaluation: Evaluation) -> float:
    """Simple MIA: the forget set against as many test examples of any class."""
    return simple_attack(evaluation.forget, evaluation.test)


def mia_class_matched_accuracy(evaluation: Evaluation) -> float:
    """Class-matched MIA: non-members are test examples with the forget set's class histogram."""
    return class_matched_attack(evaluation.forget, evaluation.test)


def indistinguishability(evaluation: Evaluation) -> float:
    """1 − |2a − 1| of the class-matched attack's accuracy a on the test half; 1 is ideal."""
    return two_sided(mia_class_matched_accuracy(evaluation))


def validation_mia_class_matched_accuracy(evaluation: Evaluation) -> float:
    """The class-matched MIA with non-members from the validation half.

    Its members are other forget examples than the test half's: what the search chose by the one must
    not flatter the other.
    """
    return class_matched_attack(evaluation.forget, evaluation.validation, last=True)


def validation_indistinguishability(evaluation: Evaluation) -> float:
    """Indistinguishability with non-members from the validation half: what the search may see."""
    return two_sided(validation_mia_class_matched_accuracy(evaluation))


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
    """The splits, (indices to fit, indices to score) each, of `others` rows and the `members` behind them.

    They are those of scikit-learn's StratifiedShuffleSplit(n_splits=10, random_state=0), which takes
    half a second and 120 MB of every worker to import: a tenth of the rows is scored, and each side
    has its share of either part.
    """
    rng = np.random.RandomState(SUBSAMPLE_SEED)
    counts = np.array([others, members])
    scored = math.ceil(counts.sum() / 10)
    if scored < len(counts):
        raise ValueError(f"{members} members are too few for an attack: at least 6 on either side")
    splits = []
    for _ in range(SPLITS):
        fits = _shares(counts, counts.sum() - scored, rng)
        scores = _shares(counts - fits, scored, rng)
        orders = [rng.permutation(others), others + rng.permutation(members)]
        parts = zip(orders, fits, fits + scores, strict=True)
        fit, score = zip(*((order[:a], order[a:b]) for order, a, b in parts), strict=True)
        splits.append(
            (rng.permutation(np.concatenate(fit)), rng.permutation(np.concatenate(score)))
        )
    return splits


def _shares(counts: np.ndarray, draws: int, rng: np.random.RandomState) -> np.ndarray:
    """`draws` shared out in proportion to `counts`; of equal claims to what is left over a random one wins."""
    exact = counts / counts.sum() * draws
    shares = np.floor(exact).astype(int)
    over, claims = draws - shares.sum(), exact - np.floor(exact)
    for claim in sorted(set(claims.tolist()), reverse=True):
        if not over:
            break
        equal = np.flatnonzero(claims == claim)
        shares[rng.choice(equal, size=min(len(equal), over), replace=False)] += 1
        over -= min(len(equal), over)
    return shares
