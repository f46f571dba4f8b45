"""Methods that give the forget set other labels: their rules on a linear model in float64, and what stays put."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from tiny_problem import LinearModel, everything, flat, linear_problem, run
from torch import Tensor
from torch.nn import functional as F

from tasks.errors import InvalidValue
from tasks.models.network import Network
from tasks.problem import Problem
from tasks.unlearners.base import Unlearner, trainable
from tasks.unlearners.relabelling.amun import Amun
from tasks.unlearners.relabelling.boundary_expand import BoundaryExpand, widened
from tasks.unlearners.relabelling.boundary_shrink import BoundaryShrink
from tasks.unlearners.relabelling.example_localization import (
    DeletionByExampleLocalization,
    by_channel,
)
from tasks.unlearners.relabelling.l2ul import LearningToUnlearn, scaled
from tasks.unlearners.relabelling.natmu import NaturalUnlearning, draw_of_classes, ramps
from tasks.unlearners.relabelling.random_labels import RandomLabels
from tasks.unlearners.relabelling.salun import SalUn
from tasks.unlearners.relabelling.unsir import Unsir
from tasks.unlearners.steps.batches import wrong_labels
from tasks.unlearners.steps.importance import summed_gradient
from tasks.unlearners.steps.masks import top_mask
from tasks.workbench import Workbench

CLOSE = {"rtol": 0.0, "atol": 1e-10}


@pytest.fixture
def problem() -> Problem:
    """A linear model of three classes; 12 examples to keep, 4 to forget."""
    return linear_problem()


@pytest.fixture
def two() -> Problem:
    """Of two classes: there is one wrong label."""
    return linear_problem(classes=2)


def slope(weights: Tensor, x: Tensor, y: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Gradient of the mean of `scale` (N,) times cross-entropies, by W and b in one vector, at `weights`."""
    classes = len(weights) // (x.shape[1] + 1)
    matrix, bias = weights[: classes * x.shape[1]].view(classes, -1), weights[-classes:]
    error = ((x @ matrix.T + bias).softmax(1) - F.one_hot(y, classes)) / len(x)
    error = error * torch.as_tensor(scale, dtype=x.dtype).view(-1, 1)
    return torch.cat([(error.T @ x).flatten(), error.sum(0)])


def unlearned(bench: Workbench, unlearner: Unlearner, seed: int = 0) -> tuple[Network, Network]:
    """The original model, and that after `unlearner`."""
    problem, _ = bench.problem(unlearner, seed)
    start = copy.deepcopy(problem.model)
    for _ in unlearner.unlearn(problem):
        pass
    return start, problem.model


def test_random_labels_takes_its_steps_in_turn(bench: Workbench) -> None:
    """At its defaults to the last bit: fresh wrong labels for each forget batch, then the retain set."""
    problem, _ = bench.problem(RandomLabels(), 4)
    expected = copy.deepcopy(problem.model)
    optimizer = torch.optim.SGD(expected.parameters(), 1e-2, momentum=0.9, weight_decay=5e-4)
    rng = bench.generator(4)
    expected.train()
    for x, y in bench.forget.batches(256, rng):
        optimizer.zero_grad()
        F.cross_entropy(expected(x), wrong_labels(y, 10, rng)).backward()
        optimizer.step()
    for x, y in bench.retain.batches(256, rng):
        optimizer.zero_grad()
        F.cross_entropy(expected(x), y).backward()
        optimizer.step()
    for _ in RandomLabels(epochs=1).unlearn(problem):
        pass
    assert torch.equal(flat(problem.model), flat(expected))


def test_random_labels_mixed_is_one_step_on_both_sets(two: Problem) -> None:
    (x_r, y_r), (x_f, y_f) = everything(two.retain), everything(two.forget)
    start, end = run(RandomLabels(lr=0.1, epochs=1, mix=True, weight_decay=0.0), two)
    step = slope(start, torch.cat([x_r, x_f]), torch.cat([y_r, 1 - y_f]))
    torch.testing.assert_close(end, start - 0.1 * step, **CLOSE)


def test_random_labels_may_be_the_true_ones_if_they_are_told_so(two: Problem) -> None:
    own = torch.zeros(400, dtype=torch.int64)
    assert RandomLabels()._drawn(own, two).sum() == 400
    assert 150 < int(RandomLabels(exclude_true=False)._drawn(own, two).sum()) < 250


def test_salun_with_every_weight_is_random_labels(two: Problem) -> None:
    options = {"lr": 0.05, "epochs": 3, "exclude_true": True, "weight_decay": 0.01}
    *_, all_of_them = run(SalUn(salient_share=1.0, **options), two)  # type: ignore[arg-type]
    *_, plain = run(RandomLabels(**options), linear_problem(classes=2))  # type: ignore[arg-type]
    torch.testing.assert_close(all_of_them, plain, **CLOSE)


def test_salun_moves_the_weights_of_the_highest_summed_gradients_alone(bench: Workbench) -> None:
    """The others keep every bit, though weight decay and momentum pull at them."""
    method = SalUn(salient_share=0.3, epochs=2, lr=0.05)
    before, after = unlearned(bench, method)
    batches = bench.forget.batches(256, bench.generator(0), augment=False)
    scores = [g.abs() for g in summed_gradient(before.eval(), batches)]
    marked = torch.cat([m.flatten() for m in top_mask(scores, 0.3)])
    moved = flat(before) != flat(after)
    assert int(marked.sum()) == int(0.3 * len(moved))
    assert not (moved & ~marked).any()
    assert moved[marked].float().mean() > 0.95


def test_boundary_shrink_takes_the_label_of_the_adversarial_image() -> None:
    problem = linear_problem(forget=40)
    x, y = everything(problem.forget)
    start, end = run(BoundaryShrink(lr=0.1, epochs=1, radius=0.4), problem)
    matrix, bias = start[:9].view(3, 3), start[9:]
    error = (x @ matrix.T + bias).softmax(1) - F.one_hot(y, 3)
    white = 255 / 64  # the range of a pixel in this problem
    moved = (x / white + 0.4 * (error @ matrix).sign()).clamp(0, 1)
    adversarial = (moved * 255).round() / 255 * white
    nearest = (adversarial @ matrix.T + bias).argmax(1)
    assert (nearest != (x @ matrix.T + bias).argmax(1)).any()
    torch.testing.assert_close(end, start - 0.1 * slope(start, x, nearest), rtol=0, atol=1e-8)


def test_boundary_expand_drops_the_added_class(problem: Problem) -> None:
    x, _ = everything(problem.forget)
    same = linear_problem()
    wide = widened(same)
    assert wide.weight.shape == (4, 3)
    torch.testing.assert_close(wide.weight[:3], same.model.head.weight)
    assert float(wide.bias[3].detach()) == 0
    weights = torch.cat([wide.weight.flatten(), wide.bias]).detach()
    added = torch.full((len(x),), 3)
    velocity = torch.zeros_like(weights)
    head = problem.model.head
    states = run(BoundaryExpand(lr=0.1, epochs=2), problem)
    for state in states[1:]:
        velocity = 0.9 * velocity + slope(weights, x, added)
        weights = weights - 0.1 * velocity
        expected = torch.cat([weights[:12].view(4, 3)[:3].flatten(), weights[12:15]])
        torch.testing.assert_close(state, expected, **CLOSE)
    assert problem.model.head is head


@pytest.mark.parametrize("method", [BoundaryShrink, BoundaryExpand])
def test_frozen_statistics_stay(bench: Workbench, method: type[Unlearner]) -> None:
    for freeze in (False, True):
        chosen = method.from_params({"freeze_batch_norm": freeze, "epochs": 1})
        before, after = (m.state_dict() for m in unlearned(bench, chosen))
        names = [n for n in before if "running" in n]
        assert all(torch.equal(before[n], after[n]) == freeze for n in names)
        assert before.keys() == after.keys()


def test_unsir_s_noise_flees_from_its_class_and_towards_zero(problem: Problem) -> None:
    """One step of Adam on λ·mean ‖N‖² − CE(N, c): lr · sign, where the gradient is not tiny."""
    method = Unsir(noise_steps=1, noise_lr=0.1, penalty=0.2, batch_size=5)
    found = method.noise(problem, 1).flatten(1).double()
    rng = torch.Generator()
    rng.manual_seed(torch.Generator().initial_seed())
    torch.randperm(len(problem.retain), generator=rng)  # the sample that tells the shape
    drawn = torch.randn(5, 1, 1, 3, generator=rng).flatten(1).double()
    head = problem.model.head
    error = head(drawn).softmax(1) - F.one_hot(torch.ones(5, dtype=torch.int64), 3)
    gradient = (2 * 0.2 * drawn - error @ head.weight).detach() / 5
    expected = drawn - 0.1 * gradient / (gradient.abs() + 1e-8)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_unsir_fits_each_class_s_noise_to_that_class_then_repairs(problem: Problem) -> None:
    """Of the two forgotten classes, each noise has its own label: two first steps of Adam."""
    two_gone = replace(problem, forgotten_classes=(0, 2))
    method = Unsir(
        impair_lr=0.05, repair_lr=0.02, retain_share=1.0, noise_share=0.5, noise_steps=2, batch_size=99
    )  # fmt: skip
    twin = linear_problem()  # draws the same noise
    noises = [method.noise(twin, c)[:6].flatten(1).double() for c in (0, 2)]
    x, y = everything(problem.retain)
    weights, end = run(method, two_gone)
    all_x = torch.cat([x, *noises])
    all_y = torch.cat([y, torch.zeros(6, dtype=torch.int64), torch.full((6,), 2)])
    for lr, images, labels in ((0.05, all_x, all_y), (0.02, x, y)):
        g = slope(weights, images, labels)
        weights = weights - lr * g / (g.abs() + 1e-8)
    torch.testing.assert_close(end, weights, rtol=0, atol=1e-6)


def test_unsir_says_so_if_no_class_is_forgotten(problem: Problem) -> None:
    with pytest.raises(InvalidValue, match="whole classes"):
        run(Unsir(), problem)


@pytest.mark.parametrize("size", [8, 32])
def test_the_ramps_are_those_of_the_authors_table(size: int) -> None:
    """For axis i: i/b up to the middle, then down again; b is half the size. Two masks are turned round."""
    found, half = ramps(size, size, 0.0), size // 2
    up = [i / half if i < half else (half - 1) / half - (i - half) / half for i in range(size)]
    rows = torch.tensor(up).view(1, size, 1).expand(1, size, size)
    torch.testing.assert_close(found[0], rows)
    torch.testing.assert_close(found[1], rows.transpose(1, 2))
    torch.testing.assert_close(found[2:], (half - 1) / half - found[:2])
    shifted = ramps(size, size, -0.25)
    torch.testing.assert_close(shifted, (found - 0.25).clamp(0, 1))
    assert ramps(7, 5, 0.0).shape == (4, 1, 7, 5)


def test_natmu_s_hybrids_are_forget_images_at_one_end_and_retain_images_at_the_other(
    problem: Problem,
) -> None:
    (x_r, y_r), (x_f, y_f) = everything(problem.retain), everything(problem.forget)
    of_forget = NaturalUnlearning(shift=1.0).hybrids(problem)
    of_retain = NaturalUnlearning(shift=-1.0).hybrids(problem)
    assert len(of_forget) == len(of_retain) == 4 * len(x_f)
    logits = problem.model(x_f).detach()
    for image, label in zip(of_forget.images.flatten(1), of_forget.labels, strict=True):
        row = int((x_f.float() == image).all(1).nonzero()[0])
        assert int(label) != int(y_f[row])
    likeliest = logits.masked_fill(F.one_hot(y_f, 3).bool(), -torch.inf).argmax(1)
    first = of_forget.labels[: len(x_f)]  # the likeliest class goes with the first ramp
    rows = [int((x_f.float() == i).all(1).nonzero()[0]) for i in of_forget.images[: len(x_f)].flatten(1)]  # fmt: skip
    assert torch.equal(first, likeliest[rows])
    for image, label in zip(of_retain.images.flatten(1), of_retain.labels, strict=True):
        same = (x_r.float() == image).all(1)
        assert same.any()
        assert (y_r[same] == label).any()


def test_natmu_never_labels_with_a_forgotten_class(bench: Workbench) -> None:
    problem, _ = bench.problem(NaturalUnlearning(), 0)
    labels = NaturalUnlearning().hybrids(problem).labels
    assert not (labels == 1).any()
    assert len(labels.unique()) >= 4


def test_positions_of_classes_are_drawn_uniformly() -> None:
    labels = torch.tensor([2, 0, 2, 1, 2, 0])
    wanted = torch.tensor([2] * 3000 + [0] * 10)
    found = draw_of_classes(labels, wanted, torch.Generator().manual_seed(0))
    assert torch.equal(labels[found], wanted)
    counts = found[:3000].bincount(minlength=6)
    assert ((counts[[0, 2, 4]] - 1000).abs() < 120).all()


@pytest.mark.parametrize("keep", [False, True])
def test_amun_fits_adversarial_images_beside_the_retain_set(problem: Problem, keep: bool) -> None:
    method = Amun(lr=0.1, epochs=2, decay=0.5, keep_forget=keep, weight_decay=0.0, momentum=0.0)
    made = method.adversaries(linear_problem())
    x_a, y_a = made.images.flatten(1).double(), made.labels
    assert len(made)
    assert torch.equal(problem.model(x_a).argmax(1), y_a), "they are labelled as θ0 sees them"
    parts = [everything(problem.retain), (x_a, y_a)]
    parts += [everything(problem.forget)] if keep else []
    x, y = (torch.cat(column) for column in zip(*parts, strict=True))
    states = run(method, problem)
    weights = states[0]
    for lr, state in zip((0.1, 0.05), states[1:], strict=True):
        weights = weights - lr * slope(weights, x, y)
        torch.testing.assert_close(state, weights, rtol=0, atol=1e-8)


def test_l2ul_climbs_on_images_and_fits_their_adversaries_with_a_stiff_rest(
    problem: Problem,
) -> None:
    options = {"lr": 0.01, "epochs": 2, "adversaries": 3, "radius": 0.5, "penalty": 20.0}
    method = LearningToUnlearn(**options, weight_decay=1e-2)  # type: ignore[arg-type]
    made = method.targeted(linear_problem())
    (x_f, y_f), x_a = everything(problem.forget), made.images.flatten(1).double()
    assert len(made) == 3 * len(x_f)
    states = run(method, problem)
    start = weights = states[0]
    logits = x_f @ start[:9].view(3, 3).T + start[9:]
    unit = logits / logits.norm(dim=1, keepdim=True)
    omega = [(unit.T @ x_f / len(x_f)).abs(), unit.mean(0).abs()]
    stiff = torch.cat([(1 - (o - o.min()) / (o.max() - o.min())).flatten() for o in omega])
    x, y = torch.cat([x_f, x_a]), torch.cat([y_f, made.labels])
    sign = torch.cat([-torch.ones(len(x_f)), torch.ones(len(x_a))]).double()
    velocity = torch.zeros_like(start)
    for state in states[1:]:
        pull = 20.0 * stiff * (weights - start)
        velocity = 0.9 * velocity + slope(weights, x, y, sign) + pull + 1e-2 * weights
        weights = weights - 0.01 * velocity
        torch.testing.assert_close(state, weights, rtol=0, atol=1e-8)


def test_l2ul_s_targets_are_wrong(problem: Problem) -> None:
    """In the authors' code a draw of the true label becomes class C/2, which may be the true one."""
    made = LearningToUnlearn(adversaries=40, attack_steps=1, radius=0.0).targeted(problem)
    x_f, y_f = everything(problem.forget)
    for image, label in zip(made.images.flatten(1), made.labels, strict=True):
        row = (x_f.float() - image).abs().sum(1).argmin()
        assert int(label) != int(y_f[row])
    assert len(made.labels.unique()) == 3


def test_importances_are_scaled_to_one_in_each_tensor() -> None:
    torch.testing.assert_close(scaled(torch.tensor([2.0, 6.0, 3.0])), torch.tensor([0, 1, 0.25]))
    assert torch.equal(scaled(torch.ones(3)), torch.zeros(3))


def test_del_scores_a_channel_by_its_highest_entries() -> None:
    """Of twenty channels, the two highest entries of each."""
    scores = torch.arange(20 * 3, dtype=torch.float64).view(20, 3)
    expected = scores[:, 1:].mean(1, keepdim=True).expand(20, 3)
    torch.testing.assert_close(by_channel(scores), expected)
    kernels = by_channel(torch.rand(4, 2, 3, 3))
    assert all(len(k.unique()) == 1 for k in kernels)
    vector = torch.rand(5)
    assert torch.equal(by_channel(vector), vector)


def test_del_redraws_the_critical_weights_and_moves_no_other(bench: Workbench) -> None:
    share = 0.3
    still = DeletionByExampleLocalization(lr=0.0, epochs=1, critical_share=share)
    before, redrawn = unlearned(bench, still)
    changed = flat(before) != flat(redrawn)
    assert 0.95 * share < float(changed.float().mean()) <= share
    scores = [
        by_channel((w.detach() * g).abs())
        for w, g in zip(
            trainable(before),
            summed_gradient(before.eval(), bench.forget.batches(5000, bench.generator(1), augment=False)),
            strict=True,
        )
    ]  # fmt: skip
    marked = torch.cat([m.flatten() for m in top_mask(scores, share)])
    assert not (changed & ~marked).any()
    _, tuned = unlearned(bench, replace(still, lr=0.05, epochs=2, weight_decay=0.1))
    moved = flat(redrawn) != flat(tuned)
    assert torch.equal(flat(before)[~marked], flat(tuned)[~marked]), "not one bit"
    assert moved[marked].float().mean() > 0.9


def test_del_s_first_epoch_has_the_whole_learning_rate_and_fine_tunes_on_the_retain_set(
    problem: Problem,
) -> None:
    """With every weight critical it begins at the blank; the second of two epochs is at (1 + 1/100) / 2 of it."""
    fresh = LinearModel(3, 3)
    fresh.initialise = lambda *_: None  # type: ignore[method-assign]
    x, y = everything(problem.retain)
    method = DeletionByExampleLocalization(lr=0.1, epochs=2, critical_share=1.0, momentum=0.0)
    states = run(method, replace(problem, make_blank=lambda: fresh))
    weights = flat(fresh)
    for lr, state in zip((0.1, 0.0505), states[1:], strict=True):
        weights = weights - lr * slope(weights, x, y)
        torch.testing.assert_close(state, weights, **CLOSE)
