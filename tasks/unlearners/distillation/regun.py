"""ReGUn (Mirlach et al., 2026, "Reference-guided machine unlearning", arXiv 2603.11210)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.problem import CALIBRATION
from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, step
from tasks.unlearners.steps.distillation import kl_divergence, soft_targets

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class ReferenceGuided(SGDUnlearner):
    """Imitate, on the forget set, the original's outputs on unseen images of the same classes (Mirlach et al., 2026).

    Descend on λ·KL(q ‖ p) over a forget batch + CE over a retain batch. q is one distribution for the whole batch: the
    mean of softmax(f_θ0) over images drawn from the calibration split, with the batch's histogram of classes. The paper
    forgets random examples; of a whole class q is sure, so that little is forgotten. The retain set ends an epoch,
    and the retain loss has the weight 1: both are our choice. A class without a calibration image takes any of them.
    """

    needs: ClassVar[frozenset[str]] = frozenset({CALIBRATION})
    passes: ClassVar[Passes] = Passes(retain=1, beside=1)

    forget_weight: Annotated[float, Float(0.05, 10.0, log=True)] = 1.0
    """Weight λ of the distance to the unseen images' outputs."""
    draws: Annotated[int, Int(1, 8)] = 2
    """Calibration images that are drawn for each forget image of a batch."""
    batch_size: int = 256
    """Examples per step, of each set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        assert problem.calibration is not None
        model, teacher, size, rng = problem.model, problem.original(), self.batch_size, problem.rng
        unseen = [(soft_targets(teacher, x), y) for x, y in problem.calibration.ordered()]
        outputs, labels = (torch.cat(part) for part in zip(*unseen, strict=True))
        optimizer = self.optimizer(model)
        for _ in self.epochs_of(model):
            pairs = problem.retain.paired(problem.forget, size, rng, share=self.retain_share)
            for (x_r, y_r), (x_f, y_f) in pairs:
                target = outputs[draw_alike(labels, y_f, self.draws, rng)].mean(0)
                logits = model(x_f)
                distance = kl_divergence(logits, target.expand_as(logits))
                step(optimizer, self.forget_weight * distance + cross_entropy(model(x_r), y_r))
            yield


def draw_alike(there: Tensor, wanted: Tensor, draws: int, rng: torch.Generator) -> Tensor:
    """Draw positions in `there` (N,) with the labels `wanted` (B,), `draws` of each, with replacement: (B · draws,).

    A label that is not `there` gets any position.
    """
    import torch

    there, drawn = there.cpu(), []
    for label, count in zip(*wanted.cpu().unique(return_counts=True), strict=True):
        pool = (there == label).nonzero().flatten()
        pool = pool if len(pool) else torch.arange(len(there))
        drawn.append(pool[torch.randint(len(pool), (draws * int(count),), generator=rng)])
    return torch.cat(drawn)
