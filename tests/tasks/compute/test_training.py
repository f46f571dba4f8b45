"""How the original and the retrained model are trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.splits import ResidentSource, Split
from tasks.models.resnet9 import ResNet9
from tasks.training import (
    LOOKAHEAD_DECAY,
    LOOKAHEAD_STEPS,
    Lookahead,
    parameter_groups,
    train_model,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split() -> Split:
    """Forty random colour images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    data = LabelledImages(images, np.arange(40) % 10)
    flips = Augmentation(flip=True, translate=2)
    names = tuple("abcdefghij")
    dataset = Dataset("noise", data, data, names, (0.5,) * 3, (0.3,) * 3, flips, "made up")
    return Split(ResidentSource(data, CPU), torch.arange(40), dataset)


@pytest.fixture
def model() -> ResNet9:
    """A narrow network that trains for two epochs of two steps."""
    network = ResNet9(3, 10, width=0.125)
    network.recipe = replace(network.recipe, epochs=2, batch_size=20)  # type: ignore[misc]
    return network


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_frozen_layers_stay_and_everything_else_moves(model: ResNet9, split: Split) -> None:
    rng = generator()
    model.initialise(split.sample(1000, rng), rng)
    start = {name: p.clone() for name, p in model.named_parameters()}
    list(train_model(model, split, generator()))
    still = {name for name, p in model.named_parameters() if torch.equal(p, start[name])}
    scales = {f"groups.{i}.norm{n}.weight" for i in range(3) for n in (1, 2)}
    assert still == {"whiten.weight", *scales}


def test_the_same_seed_trains_the_same_model(split: Split) -> None:
    states = []
    for _ in range(2):
        network = ResNet9(3, 10, width=0.125)
        network.recipe = replace(network.recipe, epochs=1, batch_size=20)  # type: ignore[misc]
        list(train_model(network, split, generator()))
        states.append(network.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


def test_every_trainable_parameter_is_in_one_group_and_decays_alike(model: ResNet9) -> None:
    groups = parameter_groups(model, model.recipe)
    members = [id(p) for group in groups for p in group["params"]]
    assert sorted(members) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    decays = {round(group["factor"] * group["weight_decay"], 12) for group in groups}
    assert decays == {model.recipe.weight_decay}


def test_a_frozen_bias_of_a_normalisation_is_in_no_group(model: ResNet9) -> None:
    model.groups[0].norm1.bias.requires_grad_(False)
    members = [id(p) for g in parameter_groups(model, model.recipe) for p in g["params"]]
    assert id(model.groups[0].norm1.bias) not in members


def test_lookahead_follows_closely_at_first_and_slowly_at_last() -> None:
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        slow = Lookahead(layer)
        layer.weight.fill_(1.0)
        slow.follow(0.0)
        assert torch.equal(layer.weight, torch.ones(1, 2))
        layer.weight.fill_(2.0)
        slow.follow(1.0)
    step = 1 - LOOKAHEAD_DECAY**LOOKAHEAD_STEPS
    assert torch.allclose(layer.weight, torch.full((1, 2), 1 + step))
