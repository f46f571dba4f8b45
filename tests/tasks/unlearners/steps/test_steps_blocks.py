"""Blocks of every family, training a part alone, refreshed statistics, noise."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tasks.models import MODELS, model_class
from tasks.models.network import Network
from tasks.unlearners.base import trainable
from tasks.unlearners.steps.batch_norm import refresh_batch_norm
from tasks.unlearners.steps.blocks import blocks, convolutions, last_blocks, training_only
from tasks.unlearners.steps.noise import add_noise


def named_blocks(model: Network) -> list[list[str]]:
    """The modules' names, by block."""
    names = {module: name for name, module in model.named_modules()}
    return [[names[module] for module in block] for block in blocks(model)]


EXPECTED = {
    "small-cnn": [["features.0", "features.1"], ["features.3", "features.4"],
                  ["features.7", "features.8"], ["head"]],
    "resnet9": [["whiten"], ["groups.0"], ["groups.1"], ["groups.2"], ["head"]],
    "resnet9-long": [["whiten"], ["groups.0"], ["groups.1"], ["groups.2"], ["head"]],
    "airbench94": [["whiten"], ["groups.0"], ["groups.1"], ["groups.2"], ["head"]],
    "vit": [["embedding"], *([f"blocks.{n}"] for n in range(3)), ["blocks.3", "norm"], ["head"]],
    "resnet18": [["body.conv1", "body.bn1"],
                 *([f"body.layer{stage}.{half}"] for stage in (1, 2, 3, 4) for half in (0, 1)),
                 ["body.fc"]],
}  # fmt: skip


@pytest.mark.parametrize("name", list(MODELS))
def test_the_blocks_of_every_family_in_order(name: str) -> None:
    model = model_class(name)[0](3, 10)
    assert named_blocks(model) == EXPECTED[name]


@pytest.mark.parametrize("name", list(MODELS))
def test_every_tensor_is_in_one_block_and_the_head_is_the_last(name: str) -> None:
    model = model_class(name)[0](3, 10)
    inside = [
        id(t) for b in blocks(model) for m in b for t in m.state_dict(keep_vars=True).values()
    ]
    assert sorted(inside) == sorted(id(t) for t in model.state_dict(keep_vars=True).values())
    assert blocks(model)[-1] == [model.head]


def test_the_last_blocks_are_the_head_and_those_before_it() -> None:
    model = model_class("resnet9")[0](3, 10)
    assert last_blocks(model, 0) == [model.head]
    assert last_blocks(model, 2) == [model.groups[1], model.groups[2], model.head]
    assert len(last_blocks(model, 100)) == 5


@pytest.mark.parametrize("name", list(MODELS))
def test_training_a_part_moves_nothing_else_and_restores_every_flag(name: str) -> None:
    model = model_class(name)[0](3, 10).train()
    wanted = [p.requires_grad for p in model.parameters()]
    before = copy.deepcopy(model.state_dict())
    moved = last_blocks(model, 1)
    mine = {id(t) for m in moved for t in m.state_dict(keep_vars=True).values()}
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with training_only(model, moved):
        model(x).square().mean().backward()
        for p in model.parameters():
            assert (p.grad is None) is (id(p) not in mine or not p.requires_grad)
    after = model.state_dict(keep_vars=True)
    statistics = {n for n, t in after.items() if not torch.equal(before[n], t)}
    assert {id(after[n]) for n in statistics} <= mine
    assert [p.requires_grad for p in model.parameters()] == wanted
    assert all(m.training for m in model.modules())


def test_frozen_convolutions_are_not_to_be_moved() -> None:
    model = model_class("resnet9")[0](3, 10)
    found = convolutions(model)
    assert len(found) == 6
    assert found[0] is model.groups[0].conv1


def test_refreshed_statistics_are_averages_over_the_batches() -> None:
    rng = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(3, momentum=0.3).double(), nn.ReLU()).eval()
    batches = [(torch.randn(5, 3, generator=rng, dtype=torch.float64), None) for _ in range(4)]
    refresh_batch_norm(model, batches)  # type: ignore[arg-type]
    means = torch.stack([x.mean(0) for x, _ in batches]).mean(0)
    variances = torch.stack([x.var(0) for x, _ in batches]).mean(0)
    torch.testing.assert_close(model[0].running_mean, means)
    torch.testing.assert_close(model[0].running_var, variances)
    assert (model[0].momentum, model[0].training) == (0.3, False)


def test_noise_has_its_deviation_and_comes_from_the_generator() -> None:
    weights = [torch.zeros(100, 50), torch.full((4000,), 2.0, dtype=torch.float64)]
    add_noise(weights, 0.3, torch.Generator().manual_seed(1))
    for weight, mean in zip(weights, (0.0, 2.0), strict=True):
        assert weight.std() == pytest.approx(0.3, rel=0.05)
        assert weight.mean() == pytest.approx(mean, abs=0.02)
    again = [torch.zeros(100, 50)]
    add_noise(again, 0.3, torch.Generator().manual_seed(1))
    assert torch.equal(again[0], weights[0])


def test_noise_leaves_the_gradient_s_record_alone() -> None:
    model = model_class("small-cnn")[0](1, 10)
    add_noise(trainable(model), 0.1, torch.Generator().manual_seed(1))
    assert all(p.is_leaf and p.requires_grad for p in trainable(model))
