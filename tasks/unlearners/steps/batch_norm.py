"""The running statistics of BatchNorm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from tasks.datasets.splits import Batch


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
            # A backward pass through the block reads the statistics again: no later pass may move those.
            for name, buffer in list(layer.named_buffers(recurse=False)):
                setattr(layer, name, buffer.clone())


@contextmanager
def kept_buffers(model: torch.nn.Module) -> Iterator[None]:
    """Put the buffers of `model`, such as the statistics of BatchNorm, back after the block, to the last bit."""
    import torch

    kept = [
        (module, name, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    yield
    with torch.no_grad():
        for module, name, old in kept:
            module.get_buffer(name).copy_(old)


def refresh_batch_norm(model: torch.nn.Module, batches: Iterable[Batch]) -> None:
    """Recompute the statistics of BatchNorm, after weights were changed by hand: averages over `batches`.

    The batches pass forward only. The modes of the layers are as before.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    before = [(layer.training, layer.momentum) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for a cumulative average
        layer.train()
    with torch.no_grad():
        for x, _ in batches:
            model(x)
    for layer, (training, momentum) in zip(layers, before, strict=True):
        layer.momentum = momentum
        layer.train(training)


def reset_statistics(model: torch.nn.Module) -> None:
    """Forget the running statistics of BatchNorm: mean 0 and variance 1, as before training."""
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
