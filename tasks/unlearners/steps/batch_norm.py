"""The running statistics of BatchNorm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@contextmanager
def frozen_batch_norm(model: torch.nn.Module) -> Iterator[None]:
    """Keep BatchNorm layers in evaluation mode in the block: their statistics neither move nor mix batches.

    Enter it after `model.train()`, which would put them back into training mode.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    before = [layer.training for layer in layers]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer, training in zip(layers, before, strict=True):
            layer.train(training)


def reset_statistics(model: torch.nn.Module) -> None:
    """Forget the running statistics of BatchNorm: mean 0 and variance 1, as before training."""
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
