"""The blocks of a network in order, and training some of them alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from tasks.models.network import Network

Block = list["nn.Module"]
"""Modules that belong together: a residual block, or a convolution and its normalisation."""


def blocks(model: Network) -> list[Block]:
    """List the blocks of `model` in order, as its modules are declared; the last one is its head.

    A module of a class of its own, such as a residual block, is one block. A convolution or linear layer
    begins another, to which the normalisation behind it belongs. Modules without a state are left out.
    """
    found: list[Block] = []
    _collect(model, model.head, found)
    return found


def _collect(module: nn.Module, head: nn.Module, found: list[Block]) -> None:
    """Append the blocks below `module` to `found`."""
    from torch import nn

    for child in module.children():
        if not child.state_dict():
            continue
        single = next(child.children(), None) is None
        if single and found and not isinstance(child, nn.Conv2d | nn.Linear):
            found[-1].append(child)
        elif not single and (isinstance(child, nn.Sequential) or head in child.modules()):
            _collect(child, head, found)
        else:
            found.append([child])


def last_blocks(model: Network, count: int) -> Block:
    """List the modules of the head and of the last `count` blocks before it, in order."""
    return [module for block in blocks(model)[-count - 1 :] for module in block]


@contextmanager
def other_head(model: Network, head: nn.Linear) -> Iterator[None]:
    """Have `head` in the place of the model's last layer in the block, whatever the model calls that layer."""
    own = model.head
    place = next(name for name, module in model.named_modules() if module is own)
    parent, _, name = place.rpartition(".")
    holder = model.get_submodule(parent)
    try:
        setattr(holder, name, head)
        yield
    finally:
        setattr(holder, name, own)


def convolutions(model: Network) -> list[nn.Conv2d]:
    """List the convolutions that an unlearner may move, in order; a whitening layer, say, is frozen."""
    from torch import nn

    return [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.weight.requires_grad]


@contextmanager
def training_only(model: Network, parts: Iterable[nn.Module]) -> Iterator[None]:
    """Freeze everything but `parts` in the block: weights want no gradient, statistics do not move.

    Enter it after `model.train()`, which would put frozen layers back into training mode.
    """
    inside = {module for part in parts for module in part.modules()}
    others = [(module, module.training) for module in model.modules() if module not in inside]
    moved = {id(p) for module in inside for p in module.parameters(recurse=False)}
    frozen = [p for p in model.parameters() if p.requires_grad and id(p) not in moved]
    with frozen_weights(frozen):
        try:
            for module, _ in others:
                module.training = False  # train(False) would reach into the parts as well
            yield
        finally:
            for module, training in others:
                module.training = training


@contextmanager
def frozen_weights(weights: Iterable[nn.Parameter]) -> Iterator[None]:
    """Let weights that learn want no gradient in the block."""
    weights = list(weights)
    try:
        for weight in weights:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
