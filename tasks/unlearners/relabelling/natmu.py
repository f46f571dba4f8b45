"""NatMU (He et al., 2025, "Towards natural machine unlearning", TPAMI, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.batches import MadeExamples, mixed_batches
from tasks.unlearners.steps.schedules import cosine, set_learning_rate
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class NaturalUnlearning(SGDUnlearner):
    """Fit hybrids of forget and retain images to the class of the retain image (He et al., 2025).

    With each forget image x go the four classes k that θ0 finds likeliest apart from its own, and four ramps m in
    [0, 1]: hybrid m·x + (1 − m)·x_k with label k, where x_k is a random retain image of class k. Descend on CE over
    the retain set and all the hybrids, mixed, with a cosine to 0. Unlike the authors' code, classes are not evened
    out where one is likely for too many images; an image of such a class is drawn again.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, ZhengbaoHe/NatMU",
        (
            "the ramps are those of the authors' table",
            "natmu's hybrids are forget images at one end and retain images at the other",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1, forget=4)

    lr: Annotated[float, Float(1e-3, 1e-1, log=True, above=0)] = 2e-2
    """SGD learning rate at the start."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over retain set and hybrids; the schedule depends on it."""
    shift: Annotated[float, Float(-0.5, 0.5)] = 0.0
    """What is added to the ramps before they are clipped: the larger, the more is left of a forget image."""
    weight_decay: float = 0.0
    """L2 penalty towards zero."""
    batch_size: int = 128
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model, hybrids, share = problem.model, self.hybrids(problem), self.retain_share
        optimizer = self.optimizer(model, self.masks(problem))
        for epoch in self.epochs_of(model):
            batches = mixed_batches(
                problem.retain, hybrids, self.batch_size, problem.rng, share=share
            )
            done, total = 0, share * len(problem.retain) + len(hybrids)
            for x, y, _ in batches:
                done += len(y)
                set_learning_rate(optimizer, cosine(self.lr, (epoch + done / total) / self.epochs))
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield

    def hybrids(self, problem: Problem) -> MadeExamples:
        """Make four images of each forget image: labels that are forgotten in whole are not among theirs."""
        import torch

        teacher, of_retain = problem.original(), problem.retain.labels()
        absent = of_retain.bincount(minlength=problem.classes) == 0
        images, labels = [], []
        for x, y in problem.forget.batches(self.batch_size, problem.rng, augment=False):
            with torch.no_grad():
                logits = (
                    teacher(x).masked_fill(absent, -torch.inf).scatter(1, y[:, None], -torch.inf)
                )
            masks = ramps(x.shape[2], x.shape[3], self.shift).to(x)
            likeliest = logits.topk(min(4, int(logits.isfinite().sum(1).min())), dim=1).indices
            for number in range(4):
                k = likeliest[:, number % likeliest.shape[1]]
                x_k, _ = problem.retain.take(draw_of_classes(of_retain, k, problem.rng))
                images.append(masks[number] * x + (1 - masks[number]) * x_k)
                labels.append(k)
        return MadeExamples(torch.cat(images), torch.cat(labels))


def ramps(height: int, width: int, shift: float) -> Tensor:
    """Make the four masks (4, 1, H, W): up and down again along either axis, and one minus a step minus these."""
    import torch

    def up_and_down(size: int) -> Tensor:
        half = (size + 1) // 2
        rising = torch.arange(half) / half
        return torch.cat([rising, rising.flip(0)])[:size]

    tall = up_and_down(height).view(1, -1, 1).expand(1, height, width)
    wide = up_and_down(width).view(1, 1, -1).expand(1, height, width)
    tall_top, wide_top = tall.max(), wide.max()
    return (torch.stack([tall, wide, tall_top - tall, wide_top - wide]) + shift).clamp(0, 1)


def draw_of_classes(labels: Tensor, wanted: Tensor, rng: torch.Generator) -> Tensor:
    """Draw for each wanted class (M,) a position of `labels` (N,) that holds it, uniformly."""
    import torch

    order = labels.cpu().argsort(stable=True)
    counts = labels.cpu().bincount(minlength=int(wanted.max()) + 1)
    first, wanted = counts.cumsum(0) - counts, wanted.cpu()
    within = torch.rand(len(wanted), generator=rng, dtype=torch.float64) * counts[wanted]
    return order[first[wanted] + within.long()]
