"""Methods with a calibration split: their rules on a linear model in float64, whose gradients are written out."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_problem import everything, flat, images_of, linear_problem, run
from torch import Tensor
from torch.nn import functional as F

from tasks.models.network import Network
from tasks.problem import Problem
from tasks.unlearners.distillation.kde import ResetAndDistil, reset_ends
from tasks.unlearners.distillation.lotus import LogitTempering, unseen_accuracy
from tasks.unlearners.distillation.regun import ReferenceGuided, draw_alike
from tasks.unlearners.distillation.scrub import Scrub, ScrubRewind, nearest
from tasks.unlearners.steps.blocks import convolutions
from tasks.unlearners.steps.distillation import is_correct, matched_error
from tasks.unlearners.steps.noise import gumbel_noise
from tasks.workbench import Workbench

CLASSES = 3
CLOSE = {"rtol": 0.0, "atol": 1e-10}


def calibrated(labels: list[int], **settings: int) -> Problem:
    """The linear problem with random calibration images of these labels."""
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, (len(labels), 3), dtype=np.uint8)
    split, _ = images_of(rows, labels, CLASSES)
    return replace(linear_problem(**settings), calibration=split)


@pytest.fixture
def problem() -> Problem:
    """12 examples to keep, 4 to forget, two calibration images of each of three classes."""
    return calibrated([0, 1, 2, 0, 1, 2])


def logits_of(weights: Tensor, x: Tensor) -> Tensor:
    """W x + b."""
    cut = CLASSES * x.shape[1]
    return x @ weights[:cut].view(CLASSES, -1).T + weights[cut:]


def gradient(error: Tensor, x: Tensor) -> Tensor:
    """Of a loss whose derivative by the logits (N, C) is `error`, by the weights and the bias in one vector."""
    return torch.cat([(error.T @ x).flatten(), error.sum(0)])


def cross_entropy_error(logits: Tensor, y: Tensor) -> Tensor:
    """Derivative of the mean cross-entropy by the logits."""
    return (logits.softmax(1) - F.one_hot(y, CLASSES)) / len(y)


def accuracy(weights: Tensor, x: Tensor, y: Tensor) -> float:
    """Share of the examples whose top class is their label."""
    return float((logits_of(weights, x).argmax(1) == y).double().mean())


def last_gradient(model: Network) -> Tensor:
    """What the last step went down, in one vector."""
    return torch.cat([p.grad.flatten() for p in model.parameters()])  # type: ignore[union-attr]


@pytest.mark.parametrize("forgotten", [(), (1,)])
def test_lotus_tempers_the_original_on_the_forget_set(forgotten: tuple[int, ...]) -> None:
    """Where whole classes are forgotten, the aim is an accuracy of 0, else that on the calibration split."""
    problem = replace(calibrated([0, 1, 2, 0, 1, 2, 0, 1], forget=12), forgotten_classes=forgotten)
    (x_r, _), (x_f, y_f) = everything(problem.retain), everything(problem.forget)
    x_c, y_c = everything(problem.calibration)  # type: ignore[arg-type]
    method = LogitTempering(epochs=1, retain_share=1.0, gumbel=False, sharpness=2.0)
    start, _ = run(method, problem)
    ahead = accuracy(start, x_f, y_f) - (0.0 if forgotten else accuracy(start, x_c, y_c))
    assert ahead > -0.01, "else it would stop"
    assert forgotten or accuracy(start, x_c, y_c) > 0
    target = (logits_of(start, x_f) / math.exp(2.0 * ahead)).softmax(1)
    sure = F.one_hot(logits_of(start, x_r).argmax(1), CLASSES).double()
    x, wanted = torch.cat([x_r, x_f]), torch.cat([sure, target])
    expected = gradient((logits_of(start, x).softmax(1) - wanted) / len(x), x)
    torch.testing.assert_close(last_gradient(problem.model), expected, **CLOSE)


def test_lotus_stops_once_the_forget_set_is_known_worse_than_unseen_images(
    problem: Problem,
) -> None:
    x, y = everything(problem.forget)
    start = flat(problem.model)
    known = [int(c) for c in logits_of(start, everything(problem.calibration)[0]).argmax(1)]  # type: ignore[arg-type]
    sure = calibrated(known)
    assert unseen_accuracy(sure) == 1.0 > accuracy(start, x, y)
    before, only = run(LogitTempering(epochs=5), sure)
    assert torch.equal(before, start)
    assert torch.equal(only, start), "a trial that has nothing to do has a result: the original"


def test_lotus_draws_its_targets_from_the_original_s_probabilities() -> None:
    logits = torch.tensor([0.3, -1.0, 1.2], dtype=torch.float64).expand(20_000, 3)
    forgotten = torch.arange(20_000) % 2 == 0
    rng = torch.Generator().manual_seed(0)
    target = LogitTempering().targets(logits, forgotten, 1.5, rng)
    noise = gumbel_noise(logits, torch.Generator().manual_seed(0))
    torch.testing.assert_close(target[forgotten], ((logits + noise) / 1.5).softmax(1)[forgotten])
    drawn = target[~forgotten]
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), logits[0].softmax(0), rtol=0, atol=0.015)


def test_regun_imitates_the_original_on_unseen_images_of_the_same_classes() -> None:
    """With one calibration image a class, the drawn mean is that of the forget batch's histogram."""
    problem = calibrated([2, 0, 1])
    method = ReferenceGuided(lr=0.1, epochs=1, retain_weight=0.3)
    (x_r, y_r), (x_f, y_f) = everything(problem.retain), everything(problem.forget)
    x_c, y_c = everything(problem.calibration)  # type: ignore[arg-type]
    start, end = run(method, problem)
    unseen = torch.empty(CLASSES, CLASSES, dtype=torch.float64)
    unseen[y_c] = logits_of(start, x_c).softmax(1)
    error = (logits_of(start, x_f).softmax(1) - unseen[y_f].mean(0)) / len(x_f)
    slope = 0.7 * gradient(error, x_f)
    slope += 0.3 * gradient(cross_entropy_error(logits_of(start, x_r), y_r), x_r)
    torch.testing.assert_close(end, start - 0.1 * slope, **CLOSE)


def test_regun_draws_the_histogram_of_the_batch_and_any_image_of_a_class_that_lacks() -> None:
    there, wanted = torch.tensor([4, 0, 0, 4, 0]), torch.tensor([4, 0, 4, 4, 7])
    rng = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw_alike(there, wanted, rng) for _ in range(50)])
    assert drawn.shape == (50, 5)
    assert [set(there[part].tolist()) for part in drawn.T] == [{0}, {4}, {4}, {4}, {0, 4}]
    assert set(drawn[:, 0].tolist()) == {1, 2, 4}, "each image of a class may be drawn"


def test_kde_warms_up_on_calibration_and_goes_on_with_the_retain_set(problem: Problem) -> None:
    temperature = 2.5
    method = ResetAndDistil(
        lr=0.05, epochs=1, warmup_lr=0.2, warmup_epochs=1, temperature=temperature, weight_decay=0.0
    )
    rng = problem.rng.get_state()
    original = flat(problem.model)
    again = replace(problem, model=copy.deepcopy(problem.model), rng=torch.Generator())
    again.rng.set_state(rng)
    reset_ends(again)
    weights = flat(again.model)
    assert not torch.equal(weights, original)
    _, end = run(method, problem)

    def distance_error(x: Tensor) -> Tensor:
        """Derivative of KL by the logits, which that of H equals: (p − p0) / T."""
        p, p0 = ((logits_of(w, x) / temperature).softmax(1) for w in (weights, original))
        return (p - p0) / (temperature * len(x))

    x_c, _ = everything(problem.calibration)  # type: ignore[arg-type]
    weights = weights - 0.2 * gradient(distance_error(x_c), x_c)
    x, y = everything(problem.retain)
    error = cross_entropy_error(logits_of(weights, x), y) + 2 * distance_error(x)
    torch.testing.assert_close(end, weights - 0.05 * gradient(error, x), **CLOSE)


def test_kde_resets_the_first_convolution_and_the_head_alone(calibrated_bench: Workbench) -> None:
    problem, _ = calibrated_bench.problem(ResetAndDistil(), 0)
    before = copy.deepcopy(problem.model.state_dict())
    reset_ends(problem)
    after = problem.model.state_dict()
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    first = convolutions(problem.model)[0]
    names = {id(m): n for n, m in problem.model.named_modules()}
    weights = {f"{names[id(first)]}.weight", "head.weight"}
    assert weights <= changed <= weights | {f"{names[id(first)]}.bias", "head.bias"}


def test_scrub_r_goes_back_to_the_epoch_that_errs_as_on_unseen_images() -> None:
    settings = {
        "lr": 0.02,
        "epochs": 6,
        "forget_epochs": 5,
        "batch_size": 4,
        "forget_batch_size": 4,
    }
    chosen = []
    for labels in ([0, 0, 0], [1, 1, 1], [2, 2, 2]):
        problem = calibrated(labels, forget=12)
        states = run(Scrub(**settings), twin(problem))
        x, y = everything(problem.forget)
        x_c, y_c = everything(problem.calibration)  # type: ignore[arg-type]
        aim = 1 - accuracy(states[-1], x_c, y_c)
        distances = [abs(1 - accuracy(s, x, y) - aim) for s in states[1:]]
        expected = distances.index(min(distances))
        assert torch.equal(run(ScrubRewind(**settings), problem)[-1], states[1 + expected])
        chosen.append(expected)
    assert len(set(chosen)) > 1, chosen


def twin(problem: Problem) -> Problem:
    """The same problem with a model and a generator of its own."""
    rng = torch.Generator()
    rng.set_state(problem.rng.get_state())
    return replace(problem, model=copy.deepcopy(problem.model), rng=rng)


def test_of_equally_near_epochs_the_first_is_the_nearest() -> None:
    assert nearest([0.2, 0.625, 0.375, 0.375, 0.9], 0.5) == 1
    assert nearest([0.5, 0.1], 0.5) == 0


def test_an_error_is_weighted_by_the_classes_that_are_asked_for(problem: Problem) -> None:
    split = problem.calibration
    assert split is not None
    correct, labels = is_correct(problem.model, split)
    x, y = everything(split)
    assert torch.equal(labels, y)
    assert torch.equal(correct, logits_of(flat(problem.model), x).argmax(1) == y)
    wrong = [float((~correct)[y == c].double().mean()) for c in range(CLASSES)]
    assert len(set(wrong)) > 1
    error = matched_error(problem.model, split, torch.tensor([0, 2, 2, 2]))
    assert error == pytest.approx((wrong[0] + 3 * wrong[2]) / 4, abs=1e-12)


def test_where_no_such_class_is_there_the_error_is_that_on_all() -> None:
    problem = calibrated([0, 0, 2])
    correct, _ = is_correct(problem.model, problem.calibration)  # type: ignore[arg-type]
    error = matched_error(problem.model, problem.calibration, torch.tensor([1, 1]))  # type: ignore[arg-type]
    assert error == pytest.approx(1 - float(correct.double().mean()))
