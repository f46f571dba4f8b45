"""Training from scratch: the original model, and the retrained one that unlearning approximates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from tasks.compute.sgd import SGD

if TYPE_CHECKING:
    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.recipe import Recipe

INITIALISATION_IMAGES = 1000
LOOKAHEAD_STEPS = 5
LOOKAHEAD_DECAY = 0.95


def train_model(model: Network, split: Split, rng: torch.Generator) -> Iterator[None]:
    """Initialise `model` and train it on `split` by its own recipe, yielding after each epoch.

    Only the state after the last epoch is a trained model: the learning rate falls to zero there.
    """
    recipe = model.recipe
    model.initialise(split.sample(INITIALISATION_IMAGES, rng), rng)
    optimizer = SGD(parameter_groups(model, recipe), recipe.lr, recipe.momentum, nesterov=True)
    slow = Lookahead(model) if recipe.lookahead else None
    step, total = 0, recipe.epochs * split.steps(recipe.batch_size)
    for _ in range(recipe.epochs):
        model.train()
        for x, y in split.batches(recipe.batch_size, rng):
            for group in optimizer.param_groups:
                group["lr"] = group["factor"] * recipe.lr_at(step, total)
            loss = torch.nn.functional.cross_entropy(
                model(x), y, label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if slow is not None and (step % LOOKAHEAD_STEPS == 0 or step == total):
                slow.follow(step / total)
        yield


def parameter_groups(model: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the parameter groups of SGD (Jordan, 2024).

    Biases of normalisation layers have a higher learning rate, but the same decay per step.
    """
    norms = (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    biases = [norm.bias for norm in norms if norm.bias.requires_grad]
    chosen = {id(bias) for bias in biases}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
    factor, decay = recipe.bias_factor, recipe.weight_decay
    return [
        {"params": others, "factor": 1.0, "weight_decay": decay},
        {"params": biases, "factor": factor, "weight_decay": decay / factor},
    ]


class Lookahead:
    """Slow weights that follow the fast weights (Zhang et al., 2019), more and more slowly (Jordan, 2024)."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._fast = [t for t in model.state_dict().values() if t.is_floating_point()]
        self._slow = [t.clone() for t in self._fast]

    @torch.no_grad()
    def follow(self, progress: float) -> None:
        """Move the slow weights towards the fast ones, and the fast ones back to them.

        `progress` is the share of the training that is done.
        """
        weight = 1 - LOOKAHEAD_DECAY**LOOKAHEAD_STEPS * progress**3
        torch._foreach_lerp_(self._slow, self._fast, weight)  # a few kernels, not two a tensor
        torch._foreach_copy_(self._fast, self._slow)
