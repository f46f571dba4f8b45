"""EU-k, MSG, CT, CFW, RNI and DUCK: what is drawn anew, what is left, and their schedules."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from drawn_problem import EVERYTHING, Convolutional, Linear, tiny_problem, whole
from torch import nn
from torch.nn import functional as F

from tasks.problem import Problem
from tasks.unlearners.base import Unlearner, trainable
from tasks.unlearners.reinitialising.cfw import ConfusedWeights
from tasks.unlearners.reinitialising.ct import ConvolutionTranspose, transpose
from tasks.unlearners.reinitialising.duck import CentroidKinematics, centroids, distance_to_wrong
from tasks.unlearners.reinitialising.eu_k import ExactUnlearningK
from tasks.unlearners.reinitialising.msg import MaskedSmallGradients, triangle
from tasks.unlearners.reinitialising.rni import NoisyRandomLayers
from tasks.unlearners.steps.blocks import convolutions
from tasks.workbench import Workbench

STILL = {"lr": 0.0, "batch_size": EVERYTHING}
"""Settings under which no step moves a weight: what is left is what was drawn."""


def run(problem: Problem, unlearner: Unlearner) -> dict[str, torch.Tensor]:
    """Weights and statistics after it."""
    for _ in unlearner.unlearn(problem):
        pass
    return problem.model.state_dict()


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Names of the tensors that differ in any bit."""
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_eu_k_leaves_the_frozen_part_alone_to_the_last_bit_statistics_too(bench: Workbench) -> None:
    problem, _ = bench.problem(ExactUnlearningK(), 0)
    before = copy.deepcopy(problem.model.state_dict())
    moved = changed(before, run(problem, ExactUnlearningK(blocks=1, epochs=2)))
    assert {name.rpartition(".")[0] for name in moved} == {"head", "features.7", "features.8"}


def test_eu_k_owes_nothing_to_the_weights_it_draws_anew() -> None:
    problem, scrambled = tiny_problem(Convolutional), tiny_problem(Convolutional)
    with torch.no_grad():
        for p in (*scrambled.model.head.parameters(), *scrambled.model.hidden.parameters()):
            p.add_(1.0)
    method = ExactUnlearningK(blocks=1, epochs=2)
    assert changed(run(problem, method), run(scrambled, method)) == set()


def test_eu_k_of_all_blocks_owes_nothing_to_the_original_model_at_all(bench: Workbench) -> None:
    problem, scrambled = (bench.problem(ExactUnlearningK(), 0)[0] for _ in range(2))
    with torch.no_grad():
        for p in scrambled.model.parameters():
            p.add_(1.0)
    method = ExactUnlearningK(blocks=10, epochs=1)
    assert changed(run(problem, method), run(scrambled, method)) == set()


def test_eu_k_s_learning_rate_is_a_tenth_in_its_second_half() -> None:
    """Of two epochs; a step of one is ten times that of the other, at the same gradient."""
    problem = tiny_problem(Linear)
    method = ExactUnlearningK(
        lr=1e-6, epochs=2, momentum=0.0, weight_decay=0.0, batch_size=EVERYTHING
    )
    states = [problem.model.head.weight.detach().clone() for _ in method.unlearn(problem)]
    fresh = tiny_problem(Linear).model
    fresh.reset(fresh.head, torch.Generator().manual_seed(0))
    first, second = states[0] - fresh.head.weight.detach(), states[1] - states[0]
    torch.testing.assert_close(first, 10 * second, rtol=1e-4, atol=0)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_msg_draws_the_weights_anew_whose_gradients_differ_least(share: float) -> None:
    problem = tiny_problem(Convolutional)
    start = copy.deepcopy(problem.model).eval()
    after = run(problem, MaskedSmallGradients(share=share, epochs=1, **STILL))
    rng = torch.Generator().manual_seed(0)
    sample = problem.retain.subset(len(problem.forget), rng)
    losses = [F.cross_entropy(start(x), y) for x, y in map(whole, (sample, problem.forget))]
    weights = [start.first[0].weight, start.second.weight]
    gradients = torch.autograd.grad(losses[0] - losses[1], weights)
    for name, weight, gradient in zip(
        ("first.0.weight", "second.weight"), weights, gradients, strict=True
    ):
        fresh = after[name] != weight
        assert fresh.sum() == int(share * weight.numel())
        assert gradient[fresh].abs().max() <= gradient[~fresh].abs().min()
    statistics = {"first.1.running_mean", "first.1.running_var", "first.1.num_batches_tracked"}
    assert changed(start.state_dict(), after) == {"first.0.weight", "second.weight"} | statistics


def test_msg_moves_what_it_did_not_draw_a_tenth_as_far() -> None:
    """One step from the drawn weights: they move along their gradient, the others along a tenth of it."""
    drawn, stepped = tiny_problem(Convolutional), tiny_problem(Convolutional)
    original = drawn.model.second.weight.detach().clone()
    still = run(drawn, MaskedSmallGradients(epochs=1, **STILL))["second.weight"].clone()
    drawn.model.train()
    x, y = whole(drawn.retain)
    (gradient,) = torch.autograd.grad(
        F.cross_entropy(drawn.model(x), y), [drawn.model.second.weight]
    )
    method = MaskedSmallGradients(lr=0.5, epochs=1, weight_decay=0.0, batch_size=EVERYTHING)
    after = run(stepped, method)["second.weight"]
    factor = torch.where(still != original, 1.0, 0.1)
    torch.testing.assert_close(after, still - 0.5 * factor * gradient, rtol=0, atol=1e-10)


def test_msg_s_learning_rate_rises_to_its_peak_and_falls() -> None:
    assert [triangle(e, 5) for e in range(5)] == pytest.approx([1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])
    assert [triangle(e, 2) for e in range(2)] == pytest.approx([1, 1 / 2])
    assert triangle(0, 1) == 1


def test_transposing_twice_changes_nothing_and_once_every_kernel() -> None:
    model = tiny_problem(Convolutional).model
    before = copy.deepcopy(model.state_dict())
    transpose(convolutions(model))
    after = model.state_dict()
    assert changed(before, after) == {"first.0.weight", "second.weight"}
    assert torch.equal(after["second.weight"][1, 2, 0], before["second.weight"][1, 2, :, 0])
    transpose(convolutions(model))
    assert changed(before, model.state_dict()) == set()


def test_a_kernel_of_one_pixel_is_its_own_transpose() -> None:
    layer = nn.Conv2d(2, 3, 1)
    before = layer.weight.detach().clone()
    transpose([layer])
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("method", [ConvolutionTranspose, ConfusedWeights])
def test_the_learning_rate_falls_along_a_cosine(method: type[Unlearner]) -> None:
    """Without momentum, at nearly the same gradients: 1, then ½ of the learning rate in two epochs."""
    problem = tiny_problem(Convolutional)
    still = {"last_noise": 0.0} if method is ConfusedWeights else {}
    unlearner = method(  # type: ignore[call-arg]
        lr=1e-7, epochs=2, momentum=0.0, weight_decay=0.0, batch_size=EVERYTHING, **still
    )
    start = problem.model.head.weight.detach().clone()
    first, second = [problem.model.head.weight.detach().clone() for _ in unlearner.unlearn(problem)]
    torch.testing.assert_close(first - start, 2 * (second - first), rtol=1e-4, atol=0)


def test_cfw_adds_noise_of_its_deviation_to_the_first_convolution_alone(bench: Workbench) -> None:
    problem, _ = bench.problem(ConfusedWeights(), 0)
    before = copy.deepcopy(problem.model.state_dict())
    one = ConfusedWeights(noise=0.5, epochs=1, weight_decay=0.0, **STILL)
    after = run(problem, one)
    weights = changed(before, after) & {n for n, _ in problem.model.named_parameters()}
    assert weights == {"features.0.weight"}
    noise = after["features.0.weight"] - before["features.0.weight"]
    assert noise.std() == pytest.approx(0.5, rel=0.15)
    assert abs(noise.mean()) < 0.15


def test_cfw_adds_a_little_noise_before_the_last_epoch_of_several() -> None:
    problem = tiny_problem(Convolutional)
    unlearner = ConfusedWeights(noise=0.5, last_noise=0.1, epochs=3, weight_decay=0.0, **STILL)
    states = [problem.model.first[0].weight.detach().clone() for _ in unlearner.unlearn(problem)]
    assert torch.equal(states[0], states[1])
    assert (states[2] - states[1]).std() == pytest.approx(0.1, rel=0.5)


def test_rni_trains_a_few_tensors_and_batch_norm_then_everything() -> None:
    problem = tiny_problem(Convolutional)
    unlearner = NoisyRandomLayers(epochs=4, whole=2, tensors=1, noise=0.0, lr=0.1)
    names = {n for n, _ in problem.model.named_parameters()}
    norm, states = {"first.1.weight", "first.1.bias"}, []
    for _ in unlearner.unlearn(problem):
        states.append(copy.deepcopy(problem.model.state_dict()))
    moved = [changed(a, b) & names for a, b in itertools.pairwise(states)]
    assert norm < moved[0]
    assert len(moved[0] - norm) == 1
    assert moved[1:] == [names, names]


def test_rni_draws_the_head_anew_and_adds_noise_from_the_second_early_epoch_on() -> None:
    problem = tiny_problem(Convolutional)
    unlearner = NoisyRandomLayers(
        epochs=4, whole=1, tensors=3, noisy=0.7, noise=0.5, weight_decay=0.0, **STILL
    )
    names = {n for n, _ in problem.model.named_parameters()}
    states = [copy.deepcopy(problem.model.state_dict())]
    for _ in unlearner.unlearn(problem):
        states.append(copy.deepcopy(problem.model.state_dict()))
    moved = [changed(a, b) & names for a, b in itertools.pairwise(states)]
    assert moved[0] == {"head.weight", "head.bias"}
    assert [len(m) for m in moved[1:]] == [2, 2, 0], "two of three tensors, none in a whole epoch"
    assert not any("first.1" in name for m in moved for name in m), "no noise on BatchNorm"


def test_rni_s_last_epoch_is_faster() -> None:
    """The bias of the head, without momentum at nearly the same gradients: five times as far."""
    problem = tiny_problem(Linear)
    unlearner = NoisyRandomLayers(
        lr=1e-7, epochs=3, whole=3, momentum=0.0, weight_decay=0.0, batch_size=EVERYTHING
    )
    states = [problem.model.head.bias.detach().clone() for _ in unlearner.unlearn(problem)]
    torch.testing.assert_close(
        5 * (states[1] - states[0]), states[2] - states[1], rtol=1e-4, atol=0
    )


def test_centroids_are_class_means_of_features_and_none_for_a_class_without_examples() -> None:
    problem = tiny_problem(Linear, classes=2)
    x, y = whole(problem.retain)
    found = centroids(problem.model, [(x[:5], y[:5]), (x[5:], y[5:])], 3)
    flat = x.flatten(1)  # what enters the head, as float32
    for label in (0, 1):
        torch.testing.assert_close(found[label], flat[y == label].mean(0))
    assert found[2].isnan().all()


def test_the_distance_is_to_the_nearest_wrong_centroid() -> None:
    centres = torch.tensor([[1.0, 0], [0, 1], [torch.nan, torch.nan], [-1, 0]])
    features = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.1, 3.0]], requires_grad=True)
    labels = torch.tensor([0, 1, 2])  # the nearest are: wrong for the second and the third
    distance = distance_to_wrong(features, labels, centres)
    cosines = torch.tensor([1 / 5**0.5, 2 / 5**0.5, 3 / (9.01**0.5)])
    torch.testing.assert_close(distance, (1 - cosines).mean())
    distance.backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_duck_takes_adam_s_step_down_both_losses() -> None:
    """Adam's first step is the learning rate long, in each weight against its gradient's sign."""
    problem = tiny_problem(Convolutional)
    start = copy.deepcopy(problem.model).eval()
    (x_r, y_r), (x_f, y_f) = whole(problem.retain), whole(problem.forget)
    centres = centroids(start, [(x_r, y_r)], 3)
    start.train()
    features = start.features_and_logits(x_f)[0]
    loss = 0.5 * distance_to_wrong(features, y_f, centres) + 2 * F.cross_entropy(
        start(x_r) / 3, y_r
    )
    gradients = torch.autograd.grad(loss, trainable(start))
    run(
        problem,
        CentroidKinematics(
            lr=1e-3, epochs=1, forget_weight=0.5, retain_weight=2.0, temperature=3.0,
            batch_size=EVERYTHING,
        ),
    )  # fmt: skip
    for p, p0, g in zip(trainable(problem.model), trainable(start), gradients, strict=True):
        torch.testing.assert_close(p, p0 - 1e-3 * g / (g.abs() + 1e-8), rtol=0, atol=1e-7)
