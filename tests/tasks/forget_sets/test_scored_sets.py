"""Forget sets of every kind on trained models: one choice for all processes, and metrics of what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.datasets.dataset import Dataset
from tasks.errors import UnusableChoice
from tasks.evaluation import list_in_rows, metric_named
from tasks.evaluation.samples import LEAST
from tasks.forget_sets import FORGET_SETS, traits_of
from tasks.forget_sets.description import hash_mask
from tasks.models.small_cnn import SmallCNN
from tasks.references import use_references
from tasks.roles import (
    ORIGINAL,
)
from tasks.task import Task
from tasks.trial import baseline_point, reference_point, run_trial
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.workbench import Workbench

CPU = torch.device("cpu")


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


def test_a_stored_choice_that_no_attacker_could_judge_is_refused(
    short: None, tmp_path: Path, digits: Dataset
) -> None:
    """A calibration split takes held-out images, while the mask of a task without one stays the same."""
    held_out = digits.held_out
    ones = np.flatnonzero(held_out.labels == 1)
    kept = np.setdiff1d(np.arange(len(held_out)), ones[2 * LEAST :])
    few = replace(held_out, images=held_out.images[kept], labels=held_out.labels[kept])
    small = replace(digits, held_out=few)

    def build(calibration: bool, root: Path) -> Workbench:
        task = Task.named("digits-cluster:1:0:2", calibration=calibration)
        return Workbench(task, small, root, CPU)

    build(False, tmp_path / "both")
    for root in ("both", "fresh"):
        with pytest.raises(UnusableChoice, match=f"at least {LEAST} are needed"):
            build(True, tmp_path / root)


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
