"""FGSM and PGD against foolbox and adversarial-robustness-toolbox, and AutoAttack, where these are installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tasks.evaluation import choose_metrics, metric_named
from tasks.evaluation.looks.adversarial import attack
from tasks.roles import ORIGINAL
from tasks.workbench import Workbench

WHY = "pip install 'unlearning-sweeps[robustness]'"
EPS, STEPS, COUNT = 0.08, 20, 400
Attacked = Callable[[nn.Module, torch.Tensor, torch.Tensor, int], torch.Tensor]


def by_foolbox(model: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> torch.Tensor:
    foolbox = pytest.importorskip("foolbox", reason=WHY)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    made = (
        foolbox.attacks.LinfFastGradientAttack(random_start=False)
        if steps == 1
        else foolbox.attacks.LinfPGD(abs_stepsize=EPS / 4, steps=steps)
    )
    _, clipped, _ = made(wrapped, x, y, epsilons=EPS)
    return clipped.detach()


def by_art(model: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> torch.Tensor:
    pytest.importorskip("art", reason=WHY)
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    wrapped = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10, clip_values=(0, 1), device_type="cpu"
    )
    made = (
        FastGradientMethod(wrapped, eps=EPS, batch_size=COUNT)
        if steps == 1
        else ProjectedGradientDescent(
            wrapped, eps=EPS, eps_step=EPS / 4, max_iter=steps, num_random_init=1,
            batch_size=COUNT, verbose=False,
        )
    )  # fmt: skip
    return torch.from_numpy(made.generate(x.numpy(), y.numpy()))


@pytest.fixture(scope="module")
def learned() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A small network of the digits, and digits that it never saw, in [0, 1]."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = torch.from_numpy((images / 16).astype(np.float32)).reshape(-1, 1, 8, 8)
    y = torch.from_numpy(labels).long()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(256, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(60):
            optimizer.zero_grad()
            F.cross_entropy(model(x[COUNT:]), y[COUNT:]).backward()
            optimizer.step()
    return model.eval(), x[:COUNT], y[:COUNT]


@pytest.mark.parametrize("other", [by_foolbox, by_art])
@pytest.mark.parametrize("steps", [1, STEPS], ids=["fgsm", "pgd"])
def test_an_attack_does_what_kept_packages_do(
    learned: tuple[nn.Module, torch.Tensor, torch.Tensor], other: Attacked, steps: int
) -> None:
    model, x, y = learned
    theirs = other(model, x, y, steps)
    bounds, eps = (torch.zeros(1), torch.ones(1)), torch.tensor(EPS)
    rng = torch.Generator().manual_seed(0)
    ours = attack(model, x, y, eps, bounds=bounds, steps=steps, rng=rng)
    clean, mine, other_s = (
        float((model(i).argmax(1) == y).float().mean()) for i in (x, ours, theirs)
    )
    assert mine < clean - 0.1, "there is something to compare"
    if steps == 1:  # without chance the images are the same
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
        assert mine == other_s
    else:  # each starts elsewhere at random
        assert mine == pytest.approx(other_s, abs=0.02)


def test_autoattack_is_at_least_as_strong_and_is_a_metric(judged: Workbench) -> None:
    pytest.importorskip("pyautoattack", reason=WHY)
    assert choose_metrics("autoattack_gap") == ("autoattack_gap",)
    model = judged.model(judged.artifact(ORIGINAL))[0]
    found = judged.evaluate(model, asked=["autoattack_gap", "pgd_gap"])
    assert -1 <= found["autoattack_gap"] <= 1  # type: ignore[operator]
    assert all(p.grad is None for p in model.parameters())
    assert metric_named("autoattack_gap").package == "pyautoattack"


def test_autoattack_fools_wherever_pgd_does(
    learned: tuple[nn.Module, torch.Tensor, torch.Tensor],
) -> None:
    pytest.importorskip("pyautoattack", reason=WHY)
    from tasks.evaluation.looks.autoattack import attack_by_package

    model, x, y = learned[0], learned[1][:100], learned[2][:100]
    stronger = attack_by_package(model, x, y, EPS, classes=10)
    assert float((stronger - x).abs().max()) <= EPS + 1e-6
    rng, bounds = torch.Generator().manual_seed(0), (torch.zeros(1), torch.ones(1))
    plain = attack(model, x, y, torch.tensor(EPS), bounds=bounds, steps=STEPS, rng=rng)
    held, kept = ((model(i).argmax(1) == y).sum() for i in (stronger, plain))
    assert int(held) <= int(kept)


def test_a_metric_whose_package_is_missing_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tasks import evaluation
    from tasks.errors import InvalidValue

    monkeypatch.setattr(evaluation, "find_spec", lambda name: None)
    assert "autoattack_gap" not in choose_metrics("all")
    with pytest.raises(InvalidValue, match="autoattack_gap needs the package pyautoattack: pip"):
        choose_metrics("autoattack_gap")
