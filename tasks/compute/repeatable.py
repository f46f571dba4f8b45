"""Settings of a process under which a device repeats its results."""

from __future__ import annotations

import torch


def make_repeatable(device: torch.device) -> None:
    """Make the same seed give the same result on a GPU too, and "float32" means it there.

    These are settings of the process, which serves one task alone.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
