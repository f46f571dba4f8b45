"""Metrics that need no non-members: they read every forgotten example of the test half."""

from __future__ import annotations

import numpy as np
import pytest
from made_outputs import asked
from scipy.stats import ks_2samp

from analysis.paper_styles import judge_likeness
from tasks.evaluation import measure
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.passes import halve_forget_set
from tasks.evaluation.references import ReferenceOutputs
from tasks.evaluation.shadows.interpolation import interpolation_scores
from tasks.evaluation.statistics import auc


def of_many_forgotten(seed: int) -> Evaluation:
    """Make a model like the references, of a class that is forgotten 400 times and tested 40 times."""
    labels = {"retain": np.ones(40, np.int64), "forget": np.zeros(400, np.int64)}
    labels |= dict.fromkeys(("validation", "test"), np.arange(80) % 2)
    rng = np.random.default_rng(seed)
    logits = {n: rng.normal(size=(5, len(y), 2)).astype(np.float32) for n, y in labels.items()}
    own = {n: Outputs(found[0], labels[n]) for n, found in logits.items()}
    known = ReferenceOutputs(**{n: found[1:] for n, found in logits.items()})
    return Evaluation(
        **own, forgotten_classes=(0,), references=known, original=lambda: held_as(own, 3.0)
    )


def held_as(own: dict[str, Outputs], more: float) -> Evaluation:
    """Make an original that is surer of the label by so much."""
    surer = {n: Outputs(o.logits + more * np.eye(2)[o.labels], o.labels) for n, o in own.items()}
    return Evaluation(**surer, forgotten_classes=(0,))


def test_distances_read_the_whole_half_of_the_forget_set() -> None:
    """What needs no non-members is not cut down to the number of test images of the class."""
    case = of_many_forgotten(0)
    half = halve_forget_set(case.forget.labels)[1]
    assert len(half) == 200
    phi = case.forget.phi[half]
    theirs = [Outputs(each, case.forget.labels).phi[half] for each in case.references.forget]
    names = ("confidence_ks", "oracle_auc", "share_over_unlearned", "interpolation_score")
    found = asked(case, *names)
    distances = [ks_2samp(phi, each).statistic for each in theirs]
    assert found["confidence_ks"] == pytest.approx(np.mean(distances))
    means = [np.mean([t for m, t in enumerate(theirs) if m != n], axis=0) for n in range(4)]
    areas = [auc(phi - mean, each - mean) for mean, each in zip(means, theirs, strict=True)]
    assert found["oracle_auc"] == pytest.approx(np.mean(areas))
    count = found["share_over_unlearned"] * 200 * 4
    assert count == pytest.approx(round(count)), "a mean over 4 references of shares of 200"
    before = case.original().forget.phi[half]
    scores = interpolation_scores(phi, before, np.array(theirs))
    assert found["interpolation_score"] == pytest.approx(scores.mean())


def test_the_p_value_of_a_model_like_the_references_is_rarely_small() -> None:
    rows = [measure(of_many_forgotten(seed)) | {"forget_count": 400} for seed in range(40)]
    assert np.mean([judge_likeness(row, row) < 0.05 for row in rows]) <= 0.1
