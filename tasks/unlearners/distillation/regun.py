"""ReGUn (Mirlach et al., 2026, "Reference-guided machine unlearning", arXiv 2603.11210)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.needs import CALIBRATION
from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.distillation import kl_divergence, soft_targets
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class ReferenceGuided(ForgetAlone):
    """Imitate, on the forget set, the original's outputs on unseen images of the same classes (Mirlach et al., 2026).

    Descend on (1 − w)·KL(q ‖ p) over a forget batch + w·CE over a retain batch; the forget set ends an epoch. q is one
    distribution for the whole batch: the mean of softmax(f_θ0) over images of the calibration split that are drawn
    anew, one of its class for each forget image; a class without such an image takes any. This is `class_informed` of
    the authors' code. The paper forgets random examples; of a whole class q is sure, so that little is forgotten.
    """

    verified: ClassVar[Verified] = Verified(
        "the paper and the authors' code",
        ("regun imitates the original on unseen images of the same classes",),
    )
    needs: ClassVar[frozenset[str]] = frozenset({CALIBRATION})
    passes: ClassVar[Passes] = Passes(forget=1, beside_forget=1)

    epochs: Annotated[int, Int(1, 20, least=1)] = 10
    """Passes over the forget set."""
    retain_weight: Annotated[float, Float(0.05, 0.95, least=0, most=1)] = 0.5
    """Weight w of the cross-entropy; the distance to the unseen images' outputs has the rest."""
    retain_share: ClassVar[float] = 1.0  # type: ignore[misc]
    weight_decay: float = 0.0
    """L2 penalty towards zero."""
    batch_size: int = 128
    """Examples per step, of each set."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        assert problem.calibration is not None
        model, teacher, rng = problem.model, problem.original(), problem.rng
        unseen = [(soft_targets(teacher, x), y) for x, y in problem.calibration.ordered()]
        outputs, labels = (torch.cat(part) for part in zip(*unseen, strict=True))
        optimizer = self.optimizer(model, self.masks(problem))

        def loss(x_f: Tensor, target: Tensor, x_r: Tensor, y_r: Tensor) -> Tensor:
            with self.forget_pass(model):
                logits = model(x_f)
            distance = kl_divergence(logits, target.expand_as(logits))
            retained = cross_entropy(model(x_r), y_r)
            return (1 - self.retain_weight) * distance + self.retain_weight * retained

        for _ in self.epochs_of(model):
            pairs = problem.forget.paired(problem.retain, self.batch_size, rng)
            for (x_f, y_f), (x_r, y_r) in pairs:
                target = outputs[draw_alike(labels, y_f, rng)].mean(0)
                descend(optimizer, lambda: loss(x_f, target, x_r, y_r))
            yield


def draw_alike(there: Tensor, wanted: Tensor, rng: torch.Generator) -> Tensor:
    """Draw for each label `wanted` (B,) a position of that label in `there` (N,), with replacement: (B,), by label.

    A label that is not `there` gets any position.
    """
    import torch

    there, drawn = there.cpu(), []
    for label, count in zip(*wanted.cpu().unique(return_counts=True), strict=True):
        pool = (there == label).nonzero().flatten()
        pool = pool if len(pool) else torch.arange(len(there))
        drawn.append(pool[torch.randint(len(pool), (int(count),), generator=rng)])
    return torch.cat(drawn)
