"""What papers report of an unlearned model, each column computed from a row and the retrained model's row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.results.sweep_rows import Row

Pair = tuple[Row, Row]
"""A model's row, and that of the retrained models (their mean) with the same seed."""
Compute = Callable[[Row, Row], float | None]
TEST, FORGET, RETAIN, ATTACK = (
    "test_accuracy_retained", "forget_accuracy", "retain_accuracy", "svc_mia_confidence",
)  # fmt: skip
ON_REQUEST = "add --metrics all to `sweep`, or to `confirm --points methods` and here --confirmed"


@dataclass(frozen=True)
class PaperColumn:
    """A column: its heading, its value from a row and the retrained model's, and its decimals."""

    name: str
    compute: Compute
    digits: int = 2


@dataclass(frozen=True)
class Style:
    """The columns of one paper's tables."""

    paper: str
    columns: tuple[PaperColumn, ...]
    caption: str
    """The definitions, and where ours differ."""
    hint: str = ON_REQUEST
    """How a column gets values that it lacks."""


def _percent(name: str) -> Compute:
    return lambda row, _: None if row[name] is None else 100 * row[name]


def _error(name: str) -> Compute:
    return lambda row, _: None if row[name] is None else 100 * (1 - row[name])


def measure_gap(row: Row, retrained: Row) -> float | None:
    """Return SalUn's average gap: the mean distance to the retrained model in UA, RA, TA and MIA, in points.

    None if one of the four is missing.
    """
    pairs = [(row[name], retrained[name]) for name in (FORGET, RETAIN, TEST, ATTACK)]
    gaps = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    return 100 * sum(gaps) / 4 if len(gaps) == 4 else None


def _minutes(row: Row, _: Row) -> float | None:
    return None if row["unlearn_seconds"] is None else row["unlearn_seconds"] / 60


def score_challenge(row: Row, retrained: Row) -> float | None:
    """Return the challenge's score: forgetting quality × RA/RA of the retrained × TA/TA of the retrained."""
    values = [row["forgetting_quality"], row[RETAIN], row[TEST], retrained[RETAIN], retrained[TEST]]
    if None in values or not retrained[RETAIN] or not retrained[TEST]:
        return None
    quality, retain, test, retain_there, test_there = values
    return float(quality * retain / retain_there * test / test_there)


def measure_utility(row: Row, _: Row) -> float | None:
    """Return the harmonic mean of retain and test accuracy: TOFU's model utility, for a classifier."""
    values = [row[RETAIN], row[TEST]]
    if None in values:
        return None
    return len(values) / sum(1 / v for v in values) if all(values) else 0.0


def judge_likeness(row: Row, _: Row) -> float | None:
    """Return the p-value of the two-sample Kolmogorov-Smirnov test against the retrained: TOFU's forget quality.

    Asymptotic, for samples of the test half of the forget set each; the distance is a mean over the references.
    """
    distance, count = row["confidence_ks"], row["forget_count"]
    if distance is None or not count:
        return None
    from scipy.special import kolmogorov

    return float(kolmogorov(distance * math.sqrt(count // 2 / 2)))


STYLES: dict[str, Style] = {
    "salun": Style(
        "SalUn (Fan et al., ICLR 2024)",
        (
            PaperColumn("UA", _error(FORGET)),
            PaperColumn("RA", _percent(RETAIN)),
            PaperColumn("TA", _percent(TEST)),
            PaperColumn("MIA", _percent(ATTACK)),
            PaperColumn("Avg. Gap ↓", measure_gap),
            PaperColumn("RTE", _minutes, 3),
        ),
        "Percent. UA: 100 - accuracy on the forget set. RA, TA: accuracy on the retain set and on test images of the "
        "retained classes. MIA: MIA-efficacy of an SVC on the label's probability. Ideal of all four: the retrained "
        "model's. Avg. Gap: mean distance to it in the four. RTE: minutes of unlearning.",
    ),
    "scrub": Style(
        "SCRUB (Kurmanji et al., NeurIPS 2023)",
        (
            PaperColumn("Test error ↓", _error(TEST)),
            PaperColumn("Retain error ↓", _error(RETAIN)),
            PaperColumn("Forget error", _error(FORGET)),
            PaperColumn("MIA", _percent("mia_class_matched_accuracy")),
        ),
        "Percent. Test error: on images of the retained classes. Ideal of the forget error: the retrained model's (to "
        "remove confusion or a bias: high). MIA: accuracy of a logistic attack on the loss, forget set against test "
        "images of the same classes; ideal: 50.",
    ),
    "nfmu": Style(
        "the NeurIPS 2023 machine unlearning challenge",
        (
            PaperColumn("RA ↑", _percent(RETAIN)),
            PaperColumn("TA ↑", _percent(TEST)),
            PaperColumn("FA", _percent(FORGET)),
            PaperColumn("MIA", _percent("mia_simple_accuracy")),
            PaperColumn("F ↑", lambda row, _: row["forgetting_quality"], 4),
            PaperColumn("Score ↑", score_challenge, 4),
        ),
        "Percent; F and score: fractions. FA: accuracy on the forget set; ideal: the retrained model's. MIA: accuracy "
        "of the starting kit's attack on the loss; ideal: 50. F: forgetting quality, whose ideal is its null at "
        "the same number of models and not 1. Score: F × RA and TA, each over the retrained model's.",
        "F needs many models: `orchestrator run --metrics forgetting_quality` prints it for one method",
    ),
    "tofu": Style(
        "TOFU (Maini et al., 2024)",
        (
            PaperColumn("Model utility ↑", measure_utility, 4),
            PaperColumn("Forget quality ↑", judge_likeness, 4),
        ),
        "TOFU is about language models; this is the same for a classifier. Model utility: harmonic mean of retain and "
        "test accuracy. Forget quality: p-value of the Kolmogorov-Smirnov test of the label's log odds on half of the "
        "forget set against retrained models'; above .05 the two cannot be told apart. On a class, seeds alone "
        "move it: read it beside the retrained line.",
        "the rows are of before these columns",
    ),
}
