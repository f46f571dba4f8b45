"""Selective synaptic dampening (Foster et al., 2024, "Fast machine unlearning without retraining")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner, cross_entropy, trainable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network


@dataclass(frozen=True)
class SelectiveSynapticDampening(Unlearner):
    """Shrink the weights that matter far more to the forget set than to all the data.

    With diagonal Fisher importances F: where F_f > α·F_D, θ ← θ · min(1, λ·F_D / F_f) (eqs. 3-6).
    No training.
    """

    selection: Annotated[float, Float(1.0, 100.0, log=True)] = 10.0
    """Threshold α: how many times more important to the forget set a weight must be."""
    dampening: Annotated[float, Float(0.05, 2.0)] = 1.0
    """Strength λ of what is left of a selected weight."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True)] = 1.0
    """Share of all the data on which the importances F_D are estimated."""
    batch_size: int = 64
    """Examples whose mean gradient is squared: as in the authors' code, batches stand for examples."""

    def unlearn(
        self, model: Network, retain: Split, forget: Split, rng: torch.Generator
    ) -> Iterator[None]:
        """Yields once."""
        import torch

        model.eval()
        on_forget = self._importance(model, forget, 1.0, rng)
        # Batches that mix both sets, as in the authors' code. Adding up the importances of either set
        # instead would bound the ratio by 1 / (share of the forget set): α = 10 could select nothing.
        on_all = self._importance(model, retain.joined(forget), self.retain_share, rng)
        with torch.no_grad():
            for weight, f_forget, f_all in zip(trainable(model), on_forget, on_all, strict=True):
                factor = (self.dampening * f_all / f_forget).clamp(max=1.0)
                selected = f_forget > self.selection * f_all
                weight.mul_(torch.where(selected, factor, torch.ones_like(factor)))
        yield

    def _importance(
        self, model: Network, split: Split, share: float, rng: torch.Generator
    ) -> list[Tensor]:
        """Mean squared gradient of the cross-entropy per weight: the diagonal Fisher of `split`."""
        import torch

        weights = trainable(model)
        total = [torch.zeros_like(w) for w in weights]
        for x, y in split.batches(self.batch_size, rng, share=share, augment=False):
            gradients = torch.autograd.grad(cross_entropy(model(x), y), weights)
            for accumulated, gradient in zip(total, gradients, strict=True):
                accumulated.add_(gradient.square())
        steps = split.steps(self.batch_size, share)
        return [accumulated / steps for accumulated in total]
