"""CF-k, NoT and UAM: what they leave alone, and one step of each written out in float64."""

from __future__ import annotations

import copy

import torch
from drawn_problem import EVERYTHING, Convolutional, Linear, tiny_problem, whole
from torch.nn import functional as F

from tasks.problem import Problem
from tasks.unlearners.base import Unlearner, trainable
from tasks.unlearners.finetuning.cf_k import CatastrophicForgettingK
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.unlearners.finetuning.prune_finetune import PruneFinetune
from tasks.unlearners.finetuning.uam import UnlearningAwareMinimization
from tasks.unlearners.finetuning.weight_negation import WeightNegation, negate
from tasks.unlearners.steps.blocks import convolutions
from tasks.unlearners.steps.gradients import flatten
from tasks.unlearners.steps.masks import prunable
from tasks.workbench import Workbench


def run(problem: Problem, unlearner: Unlearner) -> dict[str, torch.Tensor]:
    """Weights and statistics after it."""
    for _ in unlearner.unlearn(problem):
        pass
    return problem.model.state_dict()


def test_cf_k_leaves_the_frozen_part_alone_to_the_last_bit_statistics_too(bench: Workbench) -> None:
    problem, _ = bench.problem(CatastrophicForgettingK(), 0)
    before = copy.deepcopy(problem.model.state_dict())
    after = run(problem, CatastrophicForgettingK(blocks=1, epochs=2, lr=0.1))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    counted = {
        "features.8.running_mean",
        "features.8.running_var",
        "features.8.num_batches_tracked",
    }
    assert moved == {
        "head.weight", "head.bias", "features.7.weight", "features.8.weight", "features.8.bias",
    } | counted  # fmt: skip
    assert all(p.requires_grad for p in problem.model.parameters()), "it thaws what it froze"


def test_cf_k_of_all_blocks_is_finetune(bench: Workbench) -> None:
    some = {"epochs": 1, "lr": 0.05}
    all_blocks = run(bench.problem(Finetune(), 3)[0], CatastrophicForgettingK(blocks=10, **some))
    plain = run(bench.problem(Finetune(), 3)[0], Finetune(**some))
    assert all(torch.equal(all_blocks[name], plain[name]) for name in plain)


def test_pruned_weights_are_the_smallest_and_stay_zero(bench: Workbench) -> None:
    problem, _ = bench.problem(PruneFinetune(), 0)
    before = flatten(prunable(problem.model).values()).abs()
    run(problem, PruneFinetune(sparsity=0.75, epochs=2, lr=0.1))
    after = flatten(prunable(problem.model).values())
    gone = after == 0
    assert gone.sum() == len(before) - int(0.25 * len(before))
    assert before[gone].max() <= before[~gone].min()
    biases = [p for p in problem.model.parameters() if p.dim() == 1]
    assert all(b.all() for b in biases[-1:]), "biases are not pruned"


def test_pruning_nothing_is_finetune(bench: Workbench) -> None:
    settings = {"epochs": 1, "lr": 0.05}
    ours = run(bench.problem(Finetune(), 3)[0], PruneFinetune(sparsity=0.0, **settings))
    plain = run(bench.problem(Finetune(), 3)[0], Finetune(**settings))
    assert all(torch.equal(ours[name], plain[name]) for name in plain)


def test_negating_twice_changes_nothing_and_once_the_first_convolution_alone() -> None:
    model = tiny_problem(Convolutional).model
    before = copy.deepcopy(model.state_dict())
    negate(convolutions(model)[:1])
    after = model.state_dict()
    for name, tensor in before.items():
        assert torch.equal(after[name], -tensor if name.startswith("first.0.") else tensor)
    negate(convolutions(model)[:1])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_not_starts_from_negated_weights_and_their_own_statistics() -> None:
    """At a learning rate of nothing, all that is left are the negation and the statistics of the retain set."""
    problem = tiny_problem(Convolutional)
    first = copy.deepcopy(problem.model.first)
    settings = {"epochs": 1, "momentum": 0.0, "batch_size": EVERYTHING}
    after = run(problem, WeightNegation(lr=0.0, **settings))
    assert torch.equal(after["first.0.weight"], -first[0].weight)
    x, _ = whole(problem.retain)
    out = F.conv2d(x.double(), -first[0].weight, -first[0].bias, padding=1)
    # Training on the same images afterwards moves a mean towards itself.
    torch.testing.assert_close(after["first.1.running_mean"], out.mean((0, 2, 3)))
    torch.testing.assert_close(after["first.1.running_var"], out.var((0, 2, 3)))


def test_uam_steps_along_the_retain_gradient_uphill_of_the_forget_loss() -> None:
    """One step on all the data, at the full radius: the first of a cosine."""
    problem = tiny_problem(Linear)
    start = copy.deepcopy(problem.model)
    (x_r, y_r), (x_f, y_f) = whole(problem.retain), whole(problem.forget)
    ascent = torch.autograd.grad(F.cross_entropy(start(x_f), y_f), trainable(start))
    norm = torch.cat([g.flatten() for g in ascent]).norm()
    uphill = copy.deepcopy(start)
    with torch.no_grad():
        for p, g in zip(trainable(uphill), ascent, strict=True):
            p.add_(0.7 * g / norm)
    descent = torch.autograd.grad(F.cross_entropy(uphill(x_r), y_r), trainable(uphill))
    run(
        problem,
        UnlearningAwareMinimization(
            lr=0.3, radius=0.7, epochs=1, weight_decay=0.0, batch_size=EVERYTHING
        ),
    )
    for p, p0, g in zip(trainable(problem.model), trainable(start), descent, strict=True):
        torch.testing.assert_close(p, p0 - 0.3 * g, rtol=0, atol=1e-10)


def test_uam_s_radius_falls_to_half_by_the_middle_of_its_steps() -> None:
    """Two epochs of one step: the second at half the radius, as the first of another run is."""
    settings = {"lr": 0.3, "momentum": 0.0, "batch_size": EVERYTHING}
    two, one_by_one = tiny_problem(Linear), tiny_problem(Linear)
    run(two, UnlearningAwareMinimization(radius=0.8, epochs=2, **settings))
    run(one_by_one, UnlearningAwareMinimization(radius=0.8, epochs=1, **settings))
    run(one_by_one, UnlearningAwareMinimization(radius=0.4, epochs=1, **settings))
    torch.testing.assert_close(
        two.model.head.weight, one_by_one.model.head.weight, rtol=0, atol=1e-10
    )


def test_uam_without_a_radius_is_finetune() -> None:
    settings = {"lr": 0.3, "epochs": 3, "batch_size": EVERYTHING}
    ours, plain = tiny_problem(Linear), tiny_problem(Linear)
    run(ours, UnlearningAwareMinimization(radius=0.0, **settings))
    run(plain, Finetune(**settings))
    torch.testing.assert_close(ours.model.head.weight, plain.model.head.weight, rtol=0, atol=1e-10)


def test_uam_s_ascent_sees_both_sets_through_batch_norm() -> None:
    """Its statistics move twice a step: by both sets together, then by the retain set."""
    problem = tiny_problem(Convolutional)
    first = copy.deepcopy(problem.model.first)
    settings = {"lr": 0.0, "radius": 1e-12, "epochs": 1, "batch_size": EVERYTHING}
    after = run(problem, UnlearningAwareMinimization(**settings))
    (x_r, _), (x_f, _) = whole(problem.retain), whole(problem.forget)
    for x in (torch.cat([x_f, x_r]), x_r):
        first(x.double())
    torch.testing.assert_close(after["first.1.running_mean"], first[1].running_mean)
