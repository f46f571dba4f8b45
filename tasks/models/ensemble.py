"""A network that answers for several: the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tasks.models.network import Network

MEMBERS = "others"
"""Name of the submodule that holds the other members: their weights are `others.0.…` in the model's state."""


def join_members(model: Network, others: Sequence[Network]) -> None:
    """Make `model` give the log of the mean probability of itself and the others, instead of its own logits.

    The others become part of it, in place: of its mode, its state and its copies. `features_and_logits` gives the
    features of `model` alone. Without others nothing changes.
    """
    if others:
        model.add_module(MEMBERS, nn.ModuleList(others))
        model.register_forward_hook(average_members)


def list_others(model: Network) -> list[nn.Module]:
    """List the members that were joined to a model; there are none in a network that answers for itself alone."""
    return [*model.get_submodule(MEMBERS).children()] if hasattr(model, MEMBERS) else []


def average_members(model: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
    """Return log of the mean over members of softmax(logits), (N, classes): a forward hook.

    Its softmax is the mean probability (Bourtoule et al., 2021, section IV-C).
    """
    others = [other(*inputs) for other in model.get_submodule(MEMBERS).children()]
    votes = torch.stack([logits, *others]).log_softmax(-1)
    return votes.logsumexp(0) - math.log(len(votes))
