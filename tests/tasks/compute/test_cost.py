"""The noise-free cost of unlearning: examples and FLOPs, counted exactly."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.compute.flops import forward_flops, gradient_flops
from tasks.compute.meters import CostMeter, Gradients, Stopwatch
from tasks.evaluation.outputs import outputs
from tasks.models import MODELS
from tasks.models.network import Network
from tasks.models.small_cnn import SmallCNN
from tasks.problem import Problem
from tasks.recipe import Recipe
from tasks.roles import ORIGINAL
from tasks.search_space import search_space
from tasks.trial import run_trial
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.ascent.gradient_ascent import GradientAscent
from tasks.unlearners.ascent.negative_gradient_plus import NegativeGradientPlus
from tasks.unlearners.base import Unlearner, cross_entropy, sgd, step
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.unlearners.weight_editing.ssd import SelectiveSynapticDampening
from tasks.workbench import SLACK, Workbench


class OneLayer(Network):
    """Any one layer before the mean over space, if there is any."""

    recipe = Recipe(epochs=1, batch_size=1, lr=0.1)

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def logits(self, x: Tensor) -> Tensor:
        return self.layer(x).flatten(2).mean(2)


class OneLinear(OneLayer):
    """The layer sees a flat image."""

    def logits(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


def flops_per_example(model: Network, shape: tuple[int, ...]) -> tuple[float, float]:
    """Forward alone, and with the backward pass of a training."""
    training = Gradients.of_training(model)
    return forward_flops(model, shape), gradient_flops(model, shape, training)


def test_flops_of_a_linear_layer() -> None:
    """2·in·out forward; the weights' gradient costs as much, the input needs none."""
    forward, both = flops_per_example(OneLinear(nn.Linear(3 * 4 * 5, 7)), (3, 4, 5))
    assert forward == 2 * 60 * 7
    assert both == 2 * forward


def test_flops_of_two_linear_layers() -> None:
    """The second layer's input needs a gradient too: twice its forward pass again."""
    stack = nn.Sequential(nn.Linear(60, 11, bias=False), nn.Linear(11, 7, bias=False))
    forward, both = flops_per_example(OneLinear(stack), (3, 4, 5))
    assert forward == 2 * (60 * 11 + 11 * 7)
    assert both == forward + 2 * 60 * 11 + 2 * 2 * 11 * 7


def test_flops_of_a_convolution() -> None:
    """2·C·k²·out per position; a padded 3x3 kernel has as many positions as pixels."""
    forward, both = flops_per_example(OneLayer(nn.Conv2d(3, 5, 3, padding=1)), (3, 6, 8))
    assert forward == 2 * 3 * 9 * 5 * 6 * 8
    assert both == 2 * forward


def test_flops_leave_frozen_weights_out() -> None:
    model = OneLinear(nn.Sequential(nn.Linear(60, 11), nn.Linear(11, 7)))
    _, before = flops_per_example(model, (3, 4, 5))
    model.layer[0].requires_grad_(False)
    ahead, after = flops_per_example(model, (3, 4, 5))
    assert after == ahead + 2 * 11 * 7
    assert after < before
    wanted = Gradients((False, False, True, True))
    model.layer[0].requires_grad_(True)
    assert gradient_flops(model, (3, 4, 5), wanted) == after
    assert all(weight.requires_grad for weight in model.parameters())


def test_flops_of_the_images_gradient_leave_the_weights_out() -> None:
    """Back through both layers, as dear as forward."""
    model = OneLinear(nn.Sequential(nn.Linear(60, 11), nn.Linear(11, 7)))
    nothing = Gradients((False,) * 4, images=True)
    assert gradient_flops(model, (3, 4, 5), nothing) == 2 * forward_flops(model, (3, 4, 5))


@pytest.mark.parametrize("name", list(MODELS))
def test_backward_costs_more_than_forward_and_leaves_no_trace(name: str) -> None:
    from tasks.models import model_class

    cls, options = model_class(f"{name}:0.25" if name == "resnet9" else name)
    model = cls(3, 10, **options).train()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    forward, both = flops_per_example(model, (3, 32, 32))
    assert both - forward > forward > 0
    assert model.training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@pytest.fixture
def metered() -> tuple[SmallCNN, CostMeter]:
    """A small model and its meter."""
    model = SmallCNN(1, 10)
    return model, CostMeter(model)


def test_passes_with_and_without_gradients_are_counted_apart(metered) -> None:  # type: ignore[no-untyped-def]
    model, meter = metered
    model(torch.zeros(5, 1, 8, 8))
    with torch.no_grad():
        model(torch.zeros(7, 1, 8, 8))
    with torch.inference_mode():
        model(torch.zeros(11, 1, 8, 8))
    assert (meter.gradient_samples, meter.forward_samples) == (5, 18)


def test_passes_of_a_deep_copy_count_too(metered) -> None:  # type: ignore[no-untyped-def]
    """A teacher or a reference model is part of the method's cost."""
    model, meter = metered
    teacher = copy.deepcopy(copy.deepcopy(model))
    with torch.no_grad():
        teacher(torch.zeros(7, 1, 8, 8))
    copy.deepcopy(model)(torch.zeros(3, 1, 8, 8))
    assert (meter.gradient_samples, meter.forward_samples) == (3, 7)


def test_passes_that_no_gradient_can_follow_are_forward_samples(metered) -> None:  # type: ignore[no-untyped-def]
    """Of a frozen model, unless the gradient of the images is wanted; and of another one that is watched."""
    model, meter = metered
    model.requires_grad_(False)
    model(torch.zeros(5, 1, 8, 8))
    model(torch.zeros(2, 1, 8, 8, requires_grad=True))
    assert (meter.gradient_samples, meter.forward_samples) == (2, 5)
    other = SmallCNN(1, 10)
    other(torch.zeros(11, 1, 8, 8))
    meter.watch(other)
    other(torch.zeros(3, 1, 8, 8))
    assert (meter.gradient_samples, meter.forward_samples) == (5, 5)


def test_nothing_counts_while_it_is_paused(metered) -> None:  # type: ignore[no-untyped-def]
    model, meter = metered
    with meter.pause():
        model(torch.zeros(5, 1, 8, 8))
        copy.deepcopy(model)(torch.zeros(5, 1, 8, 8))
    with pytest.raises(RuntimeError), meter.pause():
        model(torch.zeros(5, 3, 8, 8))  # it has one channel
    assert (meter.gradient_samples, meter.forward_samples) == (0, 0)
    model(torch.zeros(2, 1, 8, 8))
    assert meter.gradient_samples == 2


def test_evaluation_is_forward_only(bench: Workbench) -> None:
    model, meter = bench.model(bench.artifact(ORIGINAL))
    outputs(model, bench.forget)
    assert (meter.gradient_samples, meter.forward_samples) == (0, len(bench.forget))


@pytest.mark.parametrize(("epochs", "share"), [(1, 1.0), (3, 1.0), (2, 0.3), (1, 0.02)])
def test_finetune_costs_epochs_times_share_times_the_retain_set(
    bench: Workbench, epochs: int, share: float
) -> None:
    points = list(run_trial(bench, Finetune(epochs=epochs, retain_share=share), 0))
    per_epoch = round(share * len(bench.retain))
    assert [p.cost.gradient_samples for p in points] == [
        per_epoch * e for e in range(1, epochs + 1)
    ]
    last = points[-1].cost
    assert last.flops == last.gradient_samples * bench.gradient_flops, "evaluation was counted"
    whole = bench.fresh_model().recipe.epochs * len(bench.retain)
    assert last.relative_cost == pytest.approx(last.gradient_samples / whole)


def test_each_method_costs_what_it_reads(bench: Workbench) -> None:
    retain, forget = len(bench.retain), len(bench.forget)

    def samples(unlearner) -> int:  # type: ignore[no-untyped-def]
        *_, last = run_trial(bench, unlearner, 0)
        return last.cost.gradient_samples

    assert samples(GradientAscent(epochs=2)) == 2 * forget
    assert samples(SelectiveSynapticDampening()) == forget + (retain + forget)
    rounds = bench.retain.steps(256)  # the forget set fits one batch: it is read anew at each step
    assert forget < 256
    assert samples(NegativeGradientPlus(epochs=1)) == retain + rounds * forget


@dataclass(frozen=True)
class WorksOutside(Unlearner):
    """Trains for half a retrain by `model.logits`, where no meter looks."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model.train()
        optimizer = sgd(model, 1e-3)
        for _ in range(model.recipe.epochs // 2):
            for x, y in problem.retain.batches(256, problem.rng):
                step(optimizer, cross_entropy(model.logits(x), y))
            yield


def test_what_is_computed_outside_of_the_forward_pass_is_not_free(judged: Workbench) -> None:
    *_, last = run_trial(judged, WorksOutside(), 0)
    assert last.cost.flops == 0
    # Half a retrain's work; its seconds, and those of the references, were on a machine more or less busy.
    assert last.cost.relative_cost > 0.5 / SLACK["cpu"] / 4
    costs = [point.cost.relative_cost for point in run_trial(judged, WorksOutside(), 0)]
    assert costs == sorted(costs)


@dataclass(frozen=True)
class CountsOutside(Unlearner):
    """Says what it computes where no meter looks, and passes ten examples where one does."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        for _ in range(3):
            problem.count_flops(1e6)
        problem.count_backwards(4)
        with torch.no_grad():
            problem.model(problem.forget.sample(10, problem.rng))
        yield


def test_what_a_method_counts_itself_is_added_to_its_passes(judged: Workbench) -> None:
    *_, last = run_trial(judged, CountsOutside(), 0)
    backward = judged.gradient_flops - judged.forward_flops
    assert last.cost.flops == 3e6 + 10 * judged.forward_flops + 4 * backward
    assert last.cost.relative_cost == last.cost.flops / judged.retrain_flops()


def test_where_operations_alone_count_no_clock_is_read(judged: Workbench) -> None:
    judged.counts_operations_alone = True
    try:
        *_, last = run_trial(judged, WorksOutside(), 0)
        assert last.cost.relative_cost == 0
        assert judged.relative_cost(judged.retrain_flops() / 2, busy_seconds=1e6) == 0.5
    finally:
        judged.counts_operations_alone = False


DEARER = {"retrain", "fisher-forgetting"}
"""A whole training; and single images of a small model, whose passes take longer than their operations say."""


@pytest.mark.parametrize("name", [name for name in UNLEARNERS if name not in DEARER])
def test_the_seconds_of_an_ordinary_method_do_not_count(
    name: str, judged_for_all: Workbench
) -> None:
    """Otherwise the same seed would propose other trials on a busy machine."""
    cls = unlearner_class(name)
    method = cls.from_params({"epochs": 1} if "epochs" in search_space(cls) else {})
    *_, last = run_trial(judged_for_all, method, 0)
    assert last.cost.relative_cost == last.cost.flops / judged_for_all.retrain_flops()


def test_a_stopwatch_counts_the_time_inside_and_survives_an_exception() -> None:
    watch = Stopwatch(torch.device("cpu"))
    x = torch.randn(300, 300)

    def work() -> float:
        start = time.perf_counter()
        for _ in range(20):
            x @ x
        return time.perf_counter() - start

    start = time.perf_counter()
    with watch.measure():
        inside = work()
    assert inside <= watch.seconds <= time.perf_counter() - start
    outside = watch.seconds
    work()
    assert watch.seconds == outside, "time outside was counted"
    with pytest.raises(RuntimeError, match="shapes"), watch.measure():
        x @ torch.zeros(7, 7)
    assert watch.seconds > outside


LAYERS = {
    "transposed": nn.ConvTranspose2d(3, 6, 3, stride=2),
    "strided": nn.Conv2d(3, 8, 3, stride=2, dilation=2, bias=False),
    "products": nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 32 * 32, 7), nn.Linear(7, 10, bias=False)
    ),
}


@pytest.mark.parametrize("name", [*MODELS, *LAYERS])
def test_flops_are_those_that_torch_counts(name: str) -> None:
    """Of the mean loss of any batch: twice as many images would be twice the FLOPs."""
    from torch.utils.flop_counter import FlopCounterMode

    from tasks.models import model_class

    model: Network
    if name in LAYERS:
        kind = OneLinear if name == "products" else OneLayer
        model = kind(LAYERS[name])
    else:
        cls, options = model_class(f"{name}:0.25" if name == "resnet9" else name)
        model = cls(3, 10, **options)
    model.eval()
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(
            model(torch.zeros(6, 3, 32, 32)), torch.zeros(6, dtype=torch.int64)
        ).backward()
    training = Gradients.of_training(model)
    assert counter.get_total_flops() / 6 == gradient_flops(model, (3, 32, 32), training)
