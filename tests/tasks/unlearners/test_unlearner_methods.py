"""Each method's own update rule, seen in what it does to the digits' model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from tasks.evaluation.outputs import outputs
from tasks.models.network import Network
from tasks.roles import ORIGINAL, RETRAINED
from tasks.unlearners.ascent.gradient_ascent import GradientAscent
from tasks.unlearners.ascent.negative_gradient_plus import NegativeGradientPlus
from tasks.unlearners.base import Unlearner, trainable
from tasks.unlearners.exact.retrain import Retrain
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.unlearners.finetuning.finetune_l1 import FinetuneL1
from tasks.unlearners.finetuning.finetune_l2sp import FinetuneL2SP
from tasks.unlearners.relabelling.random_labels import RandomLabels
from tasks.unlearners.steps.batches import wrong_labels
from tasks.unlearners.weight_editing.ssd import SelectiveSynapticDampening
from tasks.workbench import Workbench


def original(bench: Workbench) -> Network:
    """A fresh copy of the original model."""
    return bench.model(bench.artifact(ORIGINAL))[0]


def unlearned(bench: Workbench, unlearner: Unlearner, seed: int = 0) -> Network:
    """The original model after `unlearner`."""
    problem, _ = bench.problem(unlearner, seed)
    for _ in unlearner.unlearn(problem):
        pass
    return problem.model


def weights(model: Network) -> torch.Tensor:
    """All trainable weights in one vector."""
    return torch.cat([p.detach().flatten() for p in trainable(model)])


def distance(a: Network, b: Network) -> float:
    """Euclidean distance of the weights."""
    return float((weights(a) - weights(b)).norm())


def forget_loss(bench: Workbench, model: Network) -> float:
    """Mean cross-entropy on the forget set."""
    return float(outputs(model, bench.forget).losses.mean())


def test_finetune_takes_the_steps_of_sgd_on_the_retain_set(bench: Workbench) -> None:
    expected = original(bench)
    optimizer = torch.optim.SGD(expected.parameters(), 0.02, momentum=0.8, weight_decay=0.01)
    rng = bench.generator(5)
    for _ in range(2):
        expected.train()
        for x, y in bench.retain.batches(128, rng):
            optimizer.zero_grad()
            F.cross_entropy(expected(x), y).backward()
            optimizer.step()
    method = Finetune(lr=0.02, epochs=2, momentum=0.8, weight_decay=0.01, batch_size=128)
    assert torch.equal(weights(unlearned(bench, method, seed=5)), weights(expected))


def test_finetune_starts_from_a_smaller_share_with_fewer_steps(bench: Workbench) -> None:
    """Fewer examples move the weights less, at the same learning rate."""
    start = original(bench)
    few = unlearned(bench, Finetune(epochs=1, retain_share=0.02))
    all_of_them = unlearned(bench, Finetune(epochs=1))
    assert 0 < distance(few, start) < distance(all_of_them, start)


def test_a_huge_l2sp_penalty_holds_the_weights_at_the_original(bench: Workbench) -> None:
    start = original(bench)
    free = unlearned(bench, FinetuneL2SP(penalty=1e-4, lr=0.05, epochs=2))
    held = unlearned(bench, FinetuneL2SP(penalty=1.0, lr=0.05, epochs=2))
    assert 0 < distance(held, start) < 0.7 * distance(free, start)


def test_l2sp_pulls_towards_the_original_weights_and_not_to_zero(bench: Workbench) -> None:
    """At zero penalty and weight decay both are plain SGD; the pull then is all that differs."""
    plain = unlearned(bench, Finetune(lr=0.05, epochs=2, weight_decay=0.0))
    unpenalised = unlearned(bench, FinetuneL2SP(penalty=0.0, lr=0.05, epochs=2))
    assert torch.equal(weights(plain), weights(unpenalised))
    held = unlearned(bench, FinetuneL2SP(penalty=1.0, lr=0.05, epochs=2))
    assert distance(held, original(bench)) < distance(plain, original(bench))


def test_finetune_l1_shrinks_the_l1_norm(bench: Workbench) -> None:
    dense = unlearned(bench, FinetuneL1(penalty=0.0, epochs=2))
    sparse = unlearned(bench, FinetuneL1(penalty=1e-3, epochs=2))
    norm = weights(original(bench)).abs().sum()
    assert weights(sparse).abs().sum() < weights(dense).abs().sum()
    assert weights(sparse).abs().sum() < norm


def test_finetune_l1_without_its_penalty_is_finetune(bench: Workbench) -> None:
    assert torch.equal(
        weights(unlearned(bench, FinetuneL1(penalty=0.0, epochs=2))),
        weights(unlearned(bench, Finetune(epochs=2))),
    )


def test_finetune_l1_fades_its_penalty_over_the_epochs(bench: Workbench) -> None:
    """Two epochs: full strength, then half of it. So only the last yield is a result."""
    expected = original(bench)
    optimizer = torch.optim.SGD(expected.parameters(), 0.01, momentum=0.0)
    rng = bench.generator(0)
    for strength in (1e-3, 0.5e-3):
        expected.train()
        for x, y in bench.retain.batches(256, rng):
            optimizer.zero_grad()
            F.cross_entropy(expected(x), y).backward()
            for p in expected.parameters():
                p.grad += strength * p.detach().sign()
            optimizer.step()
    method = FinetuneL1(penalty=1e-3, epochs=2, momentum=0.0, weight_decay=0.0)
    torch.testing.assert_close(weights(unlearned(bench, method)), weights(expected))
    assert FinetuneL1.anytime is False


def test_gradient_ascent_raises_the_forget_loss(bench: Workbench) -> None:
    gentle = unlearned(bench, GradientAscent(lr=1e-3, epochs=1))
    strong = unlearned(bench, GradientAscent(lr=1e-2, epochs=3))
    assert forget_loss(bench, original(bench)) < forget_loss(bench, gentle)
    assert forget_loss(bench, gentle) < forget_loss(bench, strong)


def test_negative_gradient_plus_raises_the_forget_loss_more_than_finetune(
    bench: Workbench,
) -> None:
    tuned = unlearned(bench, Finetune(epochs=1))
    negative = unlearned(bench, NegativeGradientPlus(epochs=1))
    assert forget_loss(bench, negative) > forget_loss(bench, tuned)
    assert outputs(negative, bench.retain).correct.mean() > 0.9


def test_negative_gradient_plus_is_the_weighted_difference_of_the_two_losses(
    bench: Workbench,
) -> None:
    """One step on all the data: θ − lr · (α·∇CE(Dr) − (1 − α)·∇CE(Df)), computed apart."""
    method = NegativeGradientPlus(
        lr=0.05, retain_weight=0.9, epochs=1, weight_decay=0.0, batch_size=len(bench.retain)
    )
    rng, model = bench.generator(3), original(bench)
    (x_r, y_r), (x_f, y_f) = (next(s.batches(5000, rng)) for s in (bench.retain, bench.forget))
    model.train()
    start, moved = weights(model), trainable(model)
    retain = torch.autograd.grad(F.cross_entropy(model(x_r), y_r), moved)
    forget = torch.autograd.grad(F.cross_entropy(model(x_f), y_f), moved)
    step = torch.cat([(0.9 * r - 0.1 * f).flatten() for r, f in zip(retain, forget, strict=True)])
    torch.testing.assert_close(
        weights(unlearned(bench, method, seed=3)), start - 0.05 * step, rtol=1e-4, atol=1e-6
    )


def test_random_labels_makes_the_forget_set_wrong_and_keeps_the_rest(bench: Workbench) -> None:
    model = unlearned(bench, RandomLabels(epochs=2))
    assert forget_loss(bench, model) > 20 * forget_loss(bench, original(bench))
    assert forget_loss(bench, model) > 20 * forget_loss(bench, unlearned(bench, Finetune(epochs=2)))
    assert outputs(model, bench.retain).correct.mean() > 0.9


@given(
    classes=st.integers(2, 12),
    labels=st.lists(st.integers(0, 100), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
)
def test_a_wrong_label_is_valid_and_never_the_right_one(
    classes: int, labels: list[int], seed: int
) -> None:
    y = torch.tensor(labels) % classes
    wrong = wrong_labels(y, classes, torch.Generator().manual_seed(seed))
    assert wrong.dtype == torch.int64
    assert ((wrong >= 0) & (wrong < classes)).all()
    assert (wrong != y).all()


def test_every_wrong_label_is_about_equally_likely() -> None:
    wrong = wrong_labels(torch.full((9000,), 4), 10, torch.Generator().manual_seed(0))
    counts = torch.bincount(wrong, minlength=10)
    assert counts[4] == 0
    assert all(850 < counts[label] < 1150 for label in range(10) if label != 4)


def test_ssd_leaves_everything_at_a_huge_threshold(bench: Workbench) -> None:
    unchanged = unlearned(bench, SelectiveSynapticDampening(selection=1e9))
    assert torch.equal(weights(unchanged), weights(original(bench)))


@pytest.mark.parametrize(("selection", "dampening"), [(2.0, 1.0), (1.0, 2.0)])
def test_ssd_only_ever_shrinks_weights(
    bench: Workbench, selection: float, dampening: float
) -> None:
    """A strength above the threshold would enlarge those that matter little more to the forget set."""
    start = weights(original(bench))
    method = SelectiveSynapticDampening(selection=selection, dampening=dampening)
    after = weights(unlearned(bench, method))
    assert (after.abs() <= start.abs()).all()
    assert (after * start >= 0).all(), "a weight changed its sign"
    assert (after != start).any()


def test_ssd_selects_more_weights_at_a_lower_threshold(bench: Workbench) -> None:
    start = weights(original(bench))
    low, high = (
        weights(unlearned(bench, SelectiveSynapticDampening(selection=s, mixed=True)))
        for s in (2.0, 10.0)
    )
    assert (low != start).sum() > (high != start).sum() > 0


@pytest.mark.parametrize(("batch_size", "mixed"), [(64, True), (128, False)])
def test_ssd_forgets_a_class_and_keeps_the_others(
    bench: Workbench, batch_size: int, mixed: bool
) -> None:
    """A tenth of the data: with unmixed batches of 64, a threshold of 10 selects a weight or two."""
    model = unlearned(bench, SelectiveSynapticDampening(batch_size=batch_size, mixed=mixed))
    assert outputs(model, bench.forget).correct.mean() < 0.5
    assert outputs(model, bench.retain).correct.mean() > 0.95


def test_ssd_dampens_by_the_ratio_of_the_importances(bench: Workbench) -> None:
    """With one batch for each set the Fisher estimates are plain squared gradients."""
    method = SelectiveSynapticDampening(selection=3.0, dampening=0.5, batch_size=5000)
    model, rng = original(bench), bench.generator(0)
    model.eval()
    everything = bench.retain.joined(bench.forget)
    squares = []
    for split in (bench.forget, everything):
        x, y = next(split.batches(5000, rng, augment=False))
        gradient = torch.autograd.grad(F.cross_entropy(model(x), y), trainable(model))
        squares.append(torch.cat([g.square().flatten() for g in gradient]))
    forget, both = squares
    shrunk = weights(model) * torch.clamp(0.5 * both / forget, max=1.0)
    expected = torch.where(forget > 3.0 * both, shrunk, weights(model))
    assert (forget > 3.0 * both).any()
    torch.testing.assert_close(weights(unlearned(bench, method)), expected)


def test_ssd_leaves_the_model_in_evaluation_statistics(bench: Workbench) -> None:
    """It trains nothing: the batch statistics stay those of the original model."""
    before = original(bench).state_dict()
    after = unlearned(bench, SelectiveSynapticDampening()).state_dict()
    statistics = [n for n in before if "running" in n]
    assert statistics
    assert all(torch.equal(before[n], after[n]) for n in statistics)


def test_retrain_is_the_retrained_baseline_bit_for_bit(bench: Workbench) -> None:
    """The method that a search may pick and the artifact that results are judged by are one."""
    model = unlearned(bench, Retrain(), seed=bench.task.seed)
    baseline = bench.artifact(RETRAINED).state
    assert all(torch.equal(model.state_dict()[name], baseline[name]) for name in baseline)
    assert outputs(model, bench.forget).correct.mean() < 0.05, "it never saw the forgotten class"


def test_retrain_owes_nothing_to_the_original_weights(bench: Workbench) -> None:
    scrambled, fresh = (bench.problem(Retrain(), 0)[0] for _ in range(2))
    with torch.no_grad():
        for p in scrambled.model.parameters():
            p.add_(1.0)
    next(Retrain().unlearn(scrambled))
    next(Retrain().unlearn(fresh))
    assert torch.equal(weights(scrambled.model), weights(fresh.model))


@pytest.mark.parametrize("method", [Finetune, FinetuneL2SP, FinetuneL1])
def test_methods_that_only_repair_never_read_the_forget_set(
    bench: Workbench, method: type[Unlearner]
) -> None:
    """Given another forget set, they end at the same weights."""
    unlearner = method.from_params({"epochs": 1})
    problem, _ = bench.problem(unlearner, 0)
    other = replace(problem, forget=bench.retain.subset(50, bench.generator(9)))
    for _ in unlearner.unlearn(other):
        pass
    assert torch.equal(weights(problem.model), weights(unlearned(bench, unlearner)))
