"""Training from scratch: the original model, and the retrained one that unlearning approximates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from tasks.datasets.splits import Split
    from tasks.models.network import Network

INITIALISATION_IMAGES = 1000


def train(model: Network, split: Split, rng: torch.Generator) -> Iterator[None]:
    """Initialise `model` and train it on `split` by its own recipe, yielding after each epoch.

    Only the state after the last epoch is a trained model: the learning rate falls to zero there.
    """
    recipe = model.recipe
    model.initialise(split.sample(INITIALISATION_IMAGES, rng), rng)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(
        trainable, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    step, total = 0, recipe.epochs * split.steps(recipe.batch_size)
    for _ in range(recipe.epochs):
        model.train()
        for x, y in split.batches(recipe.batch_size, rng):
            optimizer.param_groups[0]["lr"] = recipe.lr_at(step, total)
            loss = F.cross_entropy(model(x), y, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        yield
