"""Learning rates that change over a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.unlearners.descent import Descent, Optimizer


def cosine(start: float, progress: float, end: float = 0.0) -> float:
    """Fall from `start` to `end` along half a cosine, for a `progress` from 0 to 1 (Loshchilov and Hutter, 2017)."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def set_learning_rate(optimizer: Optimizer | Descent, lr: float) -> None:
    """Give every group of parameters this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr
