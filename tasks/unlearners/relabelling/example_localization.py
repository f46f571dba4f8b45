"""DEL (Torkzadehmahani et al., 2024, "Improved localized machine unlearning through the lens of memorization")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend, trainable
from tasks.unlearners.steps.importance import summed_gradient
from tasks.unlearners.steps.masks import name_masks, top_mask
from tasks.unlearners.steps.schedules import cosine, set_learning_rate
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class DeletionByExampleLocalization(SGDUnlearner):
    """Redraw the channels that matter most to the forget set and fine-tune them alone (Torkzadehmahani et al., 2024).

    Criticality of a weight: |θ · Σ_batches ∇CE(forget)| at θ0; of an output channel: the mean of its highest, a tenth
    as many as there are channels; of a bias or a norm's scale: its own. The weights of the highest are drawn as before
    training, then only they descend on CE(retain), lr along a cosine to a hundredth. The others keep every bit. The
    authors reset to the values that the original's training began with, which need not be known here.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, reihaneh-torkzadehmahani/DEL-Unlearning",
        (
            "del scores a channel by its highest entries",
            "del redraws the critical weights and moves no other",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1)
    preparation: ClassVar[Passes] = Passes(forget=1, steps=False)

    lr: Annotated[float, Float(1e-3, 1e-1, log=True, above=0)] = 1.5e-2
    """SGD learning rate at the start."""
    epochs: Annotated[int, Int(1, 30, log=True, least=1)] = 5
    """Passes over the chosen share of the retain set; the schedule depends on it."""
    critical_share: Annotated[float, Float(0.05, 0.9)] = 0.3
    """Share of the weights that are redrawn and move."""
    weight_decay: float = 0.0
    """L2 penalty towards zero."""
    batch_size: int = 128
    """Examples per step."""
    # It has a mask of its own.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        import torch

        model, weights = problem.model, trainable(problem.model)
        model.eval()
        still = problem.forget.batches(self.batch_size, problem.rng, augment=False)
        pairs = zip(weights, summed_gradient(model, still), strict=True)
        scores = [by_channel((w.detach() * g).abs()) for w, g in pairs]
        masks = top_mask(scores, self.critical_share)
        with torch.no_grad():
            for w, fresh, mask in zip(weights, trainable(problem.blank()), masks, strict=True):
                w.copy_(torch.where(mask, fresh, w))
        optimizer = self.optimizer(model, name_masks(model, masks))
        for epoch in self.epochs_of(model):
            lr = cosine(self.lr, epoch / self.epochs, self.lr / 100)
            set_learning_rate(optimizer, lr)
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield


def by_channel(scores: Tensor) -> Tensor:
    """Give each entry of an output channel the mean of the channel's highest scores; vectors stay as they are."""
    if scores.dim() < 2:
        return scores
    flat = scores.flatten(1)
    count = min(max(1, len(flat) // 10), flat.shape[1])
    highest = flat.topk(count, dim=1).values.mean(1)
    return highest.view(-1, *[1] * (scores.dim() - 1)).expand_as(scores)
