"""What an attacker achieves while it is rarely wrong, and the privacy that this rules out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tasks.evaluation.attacks.loss import matched_log_odds
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

LEVEL = 0.95
DELTA = 1e-5
SEED = 0


class Rate(NamedTuple):
    """A share with its interval (Clopper and Pearson)."""

    value: float
    low: float
    high: float


@metric(half="test", best=0.01, on_request=True)
def loss_attack_tpr_1_percent(evaluation: Evaluation) -> float | None:
    """Measure the share of members that the loss attack finds while it takes 1 % of the others for members.

    Ideal .01; below it, the forgotten examples look less like members than others do. Null with fewer than
    100 others. Range [0, 1]. Source: Carlini et al., 2022.
    """
    return _read(evaluation, 0.01, "value")


@metric(half="test", best=0.01, on_request=True)
def loss_attack_tpr_1_percent_low(evaluation: Evaluation) -> float | None:
    """Give the lower end of the 95 % interval of loss_attack_tpr_1_percent (Clopper and Pearson)."""
    return _read(evaluation, 0.01, "low")


@metric(half="test", best=0.01, on_request=True)
def loss_attack_tpr_1_percent_high(evaluation: Evaluation) -> float | None:
    """Give the upper end of the 95 % interval of loss_attack_tpr_1_percent (Clopper and Pearson)."""
    return _read(evaluation, 0.01, "high")


@metric(half="test", best=0.001, on_request=True)
def loss_attack_tpr_tenth_percent(evaluation: Evaluation) -> float | None:
    """Measure loss_attack_tpr_1_percent at .1 % of the others; null with fewer than 1,000 others."""
    return _read(evaluation, 0.001, "value")


@metric(half="test", best=0.001, on_request=True)
def loss_attack_tpr_tenth_percent_low(evaluation: Evaluation) -> float | None:
    """Give the lower end of the 95 % interval of loss_attack_tpr_tenth_percent."""
    return _read(evaluation, 0.001, "low")


@metric(half="test", best=0.001, on_request=True)
def loss_attack_tpr_tenth_percent_high(evaluation: Evaluation) -> float | None:
    """Give the upper end of the 95 % interval of loss_attack_tpr_tenth_percent."""
    return _read(evaluation, 0.001, "high")


@metric(half="test", best="references", unit="nats", on_request=True)
def audited_epsilon(evaluation: Evaluation) -> float:
    """Bound from below, at 95 % confidence, the ε at δ = 1e-5 by which members may differ from others.

    The loss attack's threshold, and its side, are fixed on half of the examples; the other half gives the
    bound. Range [0, ln(n / 3.7)]: few examples can prove little. 0 is no proof of forgetting. A large value
    comes from over-unlearning too. Source: Nasr et al., 2021; Steinke et al., 2023.
    """
    return audit(*matched_log_odds(evaluation, "test"))


def clopper_pearson(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Compute the interval of a share, `hits` of `count`: each end is missed by half of 1 − `level` at most."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = betaincinv(hits, count - hits + 1, tail) if hits else 0.0
    high = betaincinv(hits + 1, count - hits, 1 - tail) if hits < count else 1.0
    return float(low), float(high)


def true_positive_rate(members: np.ndarray, others: np.ndarray, false_rate: float) -> Rate | None:
    """Compute the share of `members` (N,) above what at most a share `false_rate` of `others` (M,) exceed.

    The threshold is one of the others: nothing is interpolated. None where M others cannot show such a
    rate, M < 1 / `false_rate`.
    """
    allowed = math.floor(false_rate * len(others) + 1e-9)
    if allowed < 1:
        return None
    threshold = np.partition(others, len(others) - allowed - 1)[len(others) - allowed - 1]
    hits = int((members > threshold).sum())
    return Rate(hits / len(members), *clopper_pearson(hits, len(members)))


def epsilon_bound(hits: int, members: int, alarms: int, others: int, delta: float = DELTA) -> float:
    """Bound ε from below: `hits` of `members` and `alarms` of `others` were taken for members.

    ε ≥ ln((TPR − δ) / FPR), and likewise of the complements, at the unfavourable ends of both intervals.
    """
    hit, alarm = clopper_pearson(hits, members)[0], clopper_pearson(alarms, others)[1]
    ratios = [(hit - delta) / alarm, (1 - alarm - delta) / (1 - hit)]
    return max(0.0, *(math.log(ratio) for ratio in ratios if ratio > 0))


def audit(members: np.ndarray, others: np.ndarray, delta: float = DELTA) -> float:
    """Bound ε from below by a threshold on one number, of `members` (N,) and of `others` (M,).

    One half of either side chooses the threshold and on which side of it members lie; the other half is
    judged, so that the bound is valid.
    """
    rng = np.random.default_rng(SEED)
    halves = [np.array_split(rng.permutation(side), 2) for side in (members, others)]
    (fit_members, test_members), (fit_others, test_others) = halves

    def bound(sign: int, threshold: float, inside: np.ndarray, outside: np.ndarray) -> float:
        hits, alarms = ((sign * side > sign * threshold).sum() for side in (inside, outside))
        return epsilon_bound(int(hits), len(inside), int(alarms), len(outside), delta)

    pooled = np.unique(np.concatenate([fit_members, fit_others]))
    # A hundred thresholds find the best but for noise, and n of them take n Beta quantiles.
    candidates = pooled[np.linspace(0, len(pooled) - 1, min(len(pooled), 100)).astype(int)]
    rules = [(sign, value) for sign in (1, -1) for value in candidates]
    sign, best = max(rules, key=lambda rule: bound(rule[0], rule[1], fit_members, fit_others))
    return bound(sign, best, test_members, test_others)


def _read(evaluation: Evaluation, false_rate: float, what: str) -> float | None:
    found = true_positive_rate(*matched_log_odds(evaluation, "test"), false_rate)
    return None if found is None else float(getattr(found, what))
