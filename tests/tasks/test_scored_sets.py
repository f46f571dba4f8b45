"""Forget sets that a scoring model chooses: known answers of the scores, and one choice for all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue, UnusableChoice
from tasks.evaluation import list_in_rows, metric_named
from tasks.evaluation.outputs import Outputs
from tasks.forget_sets import FORGET_SETS, forget_set, traits_of
from tasks.forget_sets.description import hash_mask
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.forget_sets.scored.boundary import measure_distances
from tasks.forget_sets.scored.cluster import cluster_by_size
from tasks.forget_sets.scored.entangled import group_by_distance, measure_entanglement
from tasks.forget_sets.scored.worst_case import mark_heaviest, project_weights
from tasks.models.small_cnn import SmallCNN
from tasks.references import use_references
from tasks.roles import (
    ORIGINAL,
    SCORING,
    early_role,
    memorisation_role,
    reference_role,
    repeat_role,
    shadow_role,
    training_seed,
)
from tasks.scoring.training_log import LAST, TrainingLog, measure_error
from tasks.task import Task
from tasks.trial import baseline_point, reference_point, run_trial
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.workbench import Workbench

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("values", "total", "expected"),
    [
        ([0.9, 0.8, 0.1], 2, [0.9 + 1 / 15, 0.8 + 1 / 15, 0.1 + 1 / 15]),
        ([5.0, 0.2, 0.1], 1, [1.0, 0.0, 0.0]),
        ([0.5, 0.5, 0.5, 0.5], 1, [0.25] * 4),
        ([-3e30, 0.0, -3e30], 1, [0.0, 1.0, 0.0]),
    ],
)
def test_weights_are_projected_onto_their_simplex(values, total, expected) -> None:  # type: ignore[no-untyped-def]
    assert project_weights(np.array(values), total) == pytest.approx(expected, abs=1e-9)


def test_a_projection_is_the_nearest_point_that_is_allowed() -> None:
    """Moving weight between any two entries, as far as [0, 1] allows, comes no nearer."""
    values = np.random.default_rng(0).normal(size=40)
    found = project_weights(values, 12)
    assert found.sum() == pytest.approx(12)
    for i, j in np.random.default_rng(1).integers(0, 40, (200, 2)):
        move = min(1e-3, 1 - found[i], found[j])
        other = found.copy()
        other[i] += move
        other[j] -= move
        assert ((other - values) ** 2).sum() >= ((found - values) ** 2).sum() - 1e-12


def test_equal_weights_are_marked_in_the_order_given() -> None:
    weights = np.array([0.0, 1.0, 0.5, 0.5, 0.5])
    assert np.flatnonzero(mark_heaviest(weights, 2, np.array([4, 3, 2, 1, 0]))).tolist() == [1, 4]
    assert np.flatnonzero(mark_heaviest(weights, 2, np.array([2, 3, 4, 1, 0]))).tolist() == [1, 2]


def test_el2n_of_a_certain_and_of_a_blind_model() -> None:
    classes = 10
    p = np.array([np.eye(classes)[3], np.eye(classes)[4], np.full(classes, 1 / classes)])
    found = measure_error(p, np.array([3, 3, 3]))
    assert found == pytest.approx([0.0, np.sqrt(2), np.sqrt(1 - 1 / classes)])


def test_a_log_averages_over_the_epochs_and_losses_over_the_last() -> None:
    """One example of two classes, whose label has the probability 1/2, then e^-1, e^-2, …"""
    log, labels = TrainingLog(), np.zeros(1, np.int64)
    confidences = [0.5, *np.exp(-np.arange(1.0, LAST + 1))]
    for p in confidences:
        log.add(Outputs(np.log([[p, 1 - p]]), labels))
    found = log.means()
    entropies = [-(p * np.log(p) + (1 - p) * np.log(1 - p)) for p in confidences]
    assert found["confidence"] == pytest.approx(np.mean(confidences))
    assert found["max-confidence"] == pytest.approx(
        np.mean(np.maximum(confidences, 1 - np.array(confidences)))
    )
    assert found["entropy"] == pytest.approx(np.mean(entropies))
    assert found["accuracy"] == pytest.approx(1 / (LAST + 1))
    assert found["loss"] == pytest.approx(np.mean(np.arange(1.0, LAST + 1)))


def test_the_distance_of_a_linear_model_is_the_distance_to_its_boundary() -> None:
    """z = (x₁, x₂, −9): the boundary of the first two is the diagonal."""
    points = np.array([[3.0, 1.0], [2.0, 2.0], [0.0, 5.0]])
    logits = np.column_stack([points, np.full(3, -9.0)])
    slopes = np.full(3, np.sqrt(2))  # of z₁ − z₂ by x
    assert measure_distances(logits, slopes) == pytest.approx(
        np.abs(points[:, 0] - points[:, 1]) / np.sqrt(2)
    )
    assert measure_distances(logits, np.zeros(3)).tolist() == [np.inf] * 3


def test_entanglement_of_two_pairs_on_a_line() -> None:
    """Means 0 and 10, each ± 1: variances 1 + 1, over half of 25 + 25."""
    features = np.array([[-1.0], [1.0], [9.0], [11.0]])
    mask = np.array([False, False, True, True])
    assert measure_entanglement(features, mask) == pytest.approx(2 / 25)
    assert measure_entanglement(features, ~mask) == pytest.approx(2 / 25)
    assert measure_entanglement(features, np.array([True, False, False, True])) > 1e3


def test_groups_are_cut_by_the_distance_from_the_mean() -> None:
    groups = group_by_distance(np.array([[0.0], [-4.0], [1.0], [4.0], [-1.0]]), 2)
    assert [np.flatnonzero(g).tolist() for g in groups] == [[1, 3], [2, 4]]


def test_clusters_are_numbered_by_their_size_and_features_count_alike() -> None:
    rng = np.random.default_rng(0)
    where = np.repeat([0, 1, 2], [10, 50, 30])
    features = np.column_stack([where * 1e-3, rng.normal(size=90) * 1e-6, np.ones(90)])
    features[:, 1] += where * 1e-3
    found = cluster_by_size(features, 3, seed=0)
    assert [set(found[where == n]) for n in (1, 2, 0)] == [{0}, {1}, {2}]


def test_no_two_models_of_neighbouring_tasks_share_a_seed() -> None:
    roles = [
        ORIGINAL,
        SCORING,
        *map(early_role, range(1, 6)),
        *map(memorisation_role, range(1, 41)),
        *map(reference_role, range(1, 9)),
        *map(shadow_role, range(16)),
        *map(repeat_role, range(8)),
    ]
    seeds = [training_seed(role, task) for role in roles for task in range(20)]
    assert len(set(seeds)) == len(seeds)


@pytest.fixture(scope="module")
def short() -> Iterator[None]:
    """Trainings of two epochs: these tests are about choices, not about accuracies."""
    whole = SmallCNN.recipe
    SmallCNN.recipe = replace(whole, epochs=2)
    yield
    SmallCNN.recipe = whole


@dataclass(frozen=True)
class Ran:
    """A workbench, and what its building told of trainings."""

    bench: Workbench
    trained: list[str]


@pytest.fixture(scope="module")
def run(
    short: None, tmp_path_factory: pytest.TempPathFactory, digits: Dataset
) -> Callable[..., Ran]:
    """Build the workbench of a forget set of the digits, all over one artifact cache."""
    folder = tmp_path_factory.mktemp("scored")

    def build(spec: str, root: Path | None = None, seed: int = 0) -> Ran:
        told: list[str] = []
        task = Task.named(f"digits-{spec}", seed=seed)
        task.load()
        bench = Workbench(
            task, digits, root or folder, CPU, progress=lambda what, *_: told.append(what)
        )
        return Ran(bench, list(dict.fromkeys(told)))

    return build


KINDS = {
    "class:1+2": 252,
    "class-share:1:.5": 63,
    "identity:3": 122,
    "confusion:3:8:30": 60,
    "poison:60:2": 60,
    "poison:60:2:.5": 30,
    "relabel:.1": 120,
    "replace:7": 57,
    "cluster:1:0:3": None,
    "proxy:confidence:low:50": 50,
    "proxy:accuracy:mid:50": 50,
    "memorised:top:50:10": 50,
    "el2n:top:50": 50,
    "loss:top:50": 50,
    "boundary:50": 50,
    "entangled:hi:50": 50,
    "entangled:lo:50": 50,
    "worst:gradient-ascent:50": 50,
}
"""Forget sets, and how many examples each has."""
DEFINED = {
    "confusion": {"targeted_error", "validation_targeted_error", "interclass_error", "forget_targeted_error"},
    "poison": {"targeted_error", "validation_targeted_error", "forget_targeted_error", "attack_success",
               "validation_attack_success"},
    "relabel": {"learned_accuracy", "stale_answers"},
    "replace": {"learned_accuracy"},
    "identity": {"verification_auc", "validation_verification_auc", "verification_leakage",
                 "validation_verification_leakage", "test_accuracy_forgotten_part",
                 "validation_accuracy_forgotten_part"},
}  # fmt: skip
OF_SOME = set[str]().union(*DEFINED.values())


@pytest.mark.parametrize("spec", KINDS)
def test_a_task_of_every_kind_runs_from_the_choice_to_the_metrics(
    run: Callable[..., Ran], spec: str
) -> None:
    bench, kind = run(spec).bench, spec.partition(":")[0]
    assert len(bench.forget) == bench.choice.mask.sum()
    assert KINDS[spec] in (None, len(bench.forget))
    use_references(bench, 2)
    traits = traits_of(bench.dataset, spec, 0)
    *_, trial = run_trial(bench, Finetune(epochs=1, retain_share=0.2), 0)
    original = baseline_point(bench, bench.artifact(ORIGINAL), trained_for_this=False)
    for point in (trial, original, reference_point(bench, 0)):
        assert 0 <= point.metrics["forget_accuracy"] <= 1
        assert point.metrics["indistinguishability"] is not None
        defined = {name for name in OF_SOME if point.metrics[name] is not None}
        declared = {name for name in list_in_rows() if metric_named(name).only in traits} - {
            "test_accuracy_forgotten"
        }
        assert defined == declared
        assert defined == DEFINED.get(kind, set())


def test_every_kind_is_run_above_or_in_a_test_of_its_own() -> None:
    own = {"random", "subclass", "index", "scores"}
    assert {spec.partition(":")[0] for spec in KINDS} | own == set(FORGET_SETS)


def test_a_backdoor_opens_the_original_and_no_reference(run: Callable[..., Ran]) -> None:
    """A third of the time on all examples of the trigger would be chance on ten classes many times over."""
    bench = run("poison:100:3").bench
    use_references(bench, 2)
    original = bench.evaluate(bench.model(bench.artifact(ORIGINAL))[0])
    assert original["attack_success"] > 0.6
    assert original["targeted_error"] < 0.1
    assert reference_point(bench, 0).metrics["attack_success"] < 0.1


def test_one_scoring_model_serves_all_forget_sets_and_a_choice_is_kept(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    first, again, other, early = (
        run(s, tmp_path)
        for s in ("loss:top:50", "loss:top:50", "proxy:entropy:top:50", "el2n:low:50")
    )
    assert first.trained == ["scoring model"]
    assert first.bench.choice.seconds > 0
    assert "choosing them took" in first.bench.describe_choice()
    assert again.trained == other.trained == []
    assert again.bench.choice.seconds == 0
    assert early.trained == [f"early-{n} model" for n in range(1, 6)]
    assert np.array_equal(first.bench.choice.mask, again.bench.choice.mask)
    masks = {hash_mask(ran.bench.choice.mask) for ran in (first, other, early)}
    assert len(masks) == 3
    assert len({ran.bench.key("retrained") for ran in (first, other, early)}) == 3
    assert len({ran.bench.key(ORIGINAL) for ran in (first, other, early)}) == 1


def test_the_choice_that_was_stored_first_is_everybody_s(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    """Another machine may compute other last bits; a damaged file is computed anew."""
    first = run("boundary:50", tmp_path).bench.choice.mask
    (file,) = tmp_path.glob("*.mask")
    stored = file.read_bytes()
    file.write_bytes(stored[:-1])
    assert np.array_equal(run("boundary:50", tmp_path).bench.choice.mask, first)
    assert file.read_bytes() == stored
    from tasks.scoring.choice import encode_mask

    file.write_bytes(encode_mask(~first))
    assert np.array_equal(run("boundary:50", tmp_path).bench.choice.mask, ~first)


def test_what_is_ranked_is_what_the_scoring_model_says(
    run: Callable[..., Ran], digits: Dataset
) -> None:
    """The scores are read anew from the scoring model's own weights, by plain torch."""
    bench = run("boundary:50").bench
    scorer = bench._scorer(lambda *_: None)
    model = scorer._scoring_model().eval()
    x = torch.cat([x for x, _ in bench._all.ordered()]).double()
    model = model.double()
    some = torch.arange(0, len(x), 97)
    assert scorer.logits[some] == pytest.approx(model.logits(x[some]).detach().numpy(), abs=1e-3)
    for i in some[:4]:
        image = x[i : i + 1].clone().requires_grad_()
        top = model.logits(image).topk(2).values[0]
        (slope,) = torch.autograd.grad(top[0] - top[1], image)
        assert scorer.margin_slopes[i] == pytest.approx(float(slope.norm()), rel=1e-3)
    entered = model.features(x[some]).flatten(1).detach().numpy()
    assert scorer.features[some] == pytest.approx(entered, abs=1e-3)
    assert (scorer.logits.argmax(1) == digits.train.labels)[bench.choice.mask].all()


def test_a_cluster_of_too_few_examples_tells_the_sizes(run: Callable[..., Ran]) -> None:
    with pytest.raises(
        UnusableChoice, match=r"cluster:1:11:12 has \d examples?|sizes by number: \d+, "
    ):
        run("cluster:1:11:12")


REFUSED = [
    ("cluster:1", "its form is cluster:NAME:NUMBER:CLUSTERS"),
    ("cluster:1:10", r"valid numbers of clusters: 0\.\.9"),
    ("cluster:eleven:0", "0, 1, 2, 3"),
    ("cluster:1:0:50", "need 500 training examples; 1 has 126"),
    ("proxy:beauty:low:50", "valid: confidence, max-confidence, entropy, accuracy"),
    ("proxy:", "unknown proxy|its form is"),
    ("proxy:confidence:50", "its form is proxy:"),
    ("proxy:confidence:low:9", "at least 10"),
    ("memorised:50", r"its form is memorised:top\|low\|mid:COUNT"),
    ("memorised:best:50", "valid: top, low, mid"),
    ("memorised:top:1195", "as many retained"),
    ("memorised:top:50:many", "no whole number"),
    ("memorised:top:50:5", "at least 10"),
    ("memorised:top:50:16", "16 models; valid: multiples of 10"),
    ("memorised:top:50:20:7", "its form is memorised:"),
    ("el2n:top:1195", "as many retained"),
    ("el2n:best:50", "valid: top, low, mid"),
    ("loss:50", "its form is loss:"),
    ("boundary:many", "no whole number"),
    ("boundary:1195", "as many retained"),
    ("entangled:mid:50", "valid: hi, lo"),
    ("worst:50", "its form is worst:METHOD:COUNT"),
    ("worst:finetun:50", "did you mean finetune"),
    ("worst:unsir:50", "unsir forgets whole classes alone"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "reason"), REFUSED, ids=[spec for spec, _ in REFUSED])
def test_a_bad_argument_is_refused_before_anything_is_trained(spec: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason) as raised:
        Task.named(f"digits-{spec}").load()
    assert "\n" not in str(raised.value)


def test_without_a_model_there_is_no_mask(digits: Dataset) -> None:
    forgotten = forget_set("loss:top:50", 0)
    assert isinstance(forgotten, ScoredForgetSet)
    with pytest.raises(InvalidValue, match="chosen by a scoring model"):
        forgotten.mask(digits)
