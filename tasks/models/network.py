"""The base class of all models: a recipe, a compute dtype and a seeded initialisation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.recipe import Recipe


class Network(nn.Module):
    """A classifier whose forward runs in `compute_dtype` and returns float32 logits.

    Autocast is here, so that unlearners and metrics need not handle it, and every method
    computes in the same precision. Subclasses implement `logits`.
    """

    recipe: Recipe
    """Training recipe of the family."""
    autocast: ClassVar[bool] = True
    """True if the family gains from bfloat16 on a device that supports it."""
    compute_dtype: torch.dtype = torch.float32
    head: nn.Linear
    """The last layer: its inputs are the features, its rows the classes. Every family names it so."""

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to float32 logits (N, classes)."""
        if self.compute_dtype == torch.float32:
            return self.logits(x)
        with torch.autocast(x.device.type, dtype=self.compute_dtype):
            return self.logits(x).float()

    def logits(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes) in the dtype of autocast."""
        raise NotImplementedError(f"{type(self).__name__} defines no logits()")

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to what enters the head, float32 (N, D), and to logits, in one forward pass."""
        entered: list[Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
        try:
            logits = self(x)
        finally:
            hook.remove()
        return entered[0].float(), logits

    def initialise(self, images: Tensor, rng: torch.Generator) -> None:
        """Draw fresh weights from `rng` alone, as `draw` does.

        `images` (N, C, H, W), a normalised sample of the training split, serves data-dependent
        layers of subclasses.
        """
        self.draw(self.modules(), rng)

    def reset(self, part: nn.Module, rng: torch.Generator) -> None:
        """Draw the weights of a part of this model anew; a frozen (data-dependent) layer stays as it is."""
        frozen = (nn.Conv2d, nn.Linear)
        kept = {m for m in part.modules() if isinstance(m, frozen) and not m.weight.requires_grad}
        self.draw((m for m in part.modules() if m not in kept), rng)

    @torch.no_grad()
    def draw(self, layers: Iterable[nn.Module], rng: torch.Generator) -> None:
        """Fill layers of this model: He et al. (2015) for convolutions and linear ones, BatchNorm as new."""
        for module in layers:
            if isinstance(module, nn.Conv2d | nn.Linear):
                draw = torch.empty(module.weight.shape)
                nn.init.kaiming_normal_(draw, nonlinearity="relu", generator=rng)
                module.weight.copy_(draw)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()


def compute_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device multiplies it natively, else float32."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.backends.cpu.get_cpu_capability() == "AVX512" and _cpu_has_bf16()
    return torch.bfloat16 if native else torch.float32


def _cpu_has_bf16() -> bool:
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            return "avx512_bf16" in cpuinfo.read()
    except OSError:
        return False
