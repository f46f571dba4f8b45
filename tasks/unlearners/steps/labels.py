"""Labels that are not an example's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def wrong_labels(y: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw for each label (N,) one of the other `classes` − 1, uniformly."""
    import torch

    from tasks.datasets.splits import send_to_device

    offset = torch.randint(1, classes, y.shape, generator=rng)
    return (y + send_to_device(offset, y.device)) % classes


def random_labels(y: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw for each label (N,) one of all `classes`, uniformly: also its own, once in `classes` times."""
    import torch

    from tasks.datasets.splits import send_to_device

    return send_to_device(torch.randint(0, classes, y.shape, generator=rng), y.device)
