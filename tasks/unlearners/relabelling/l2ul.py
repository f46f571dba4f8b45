"""Learning to unlearn (Cha et al., 2024, "Instance-wise unlearning for pre-trained classifiers", AAAI, section 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, descend, trainable
from tasks.unlearners.steps.attacks import projected_gradient
from tasks.unlearners.steps.batches import MadeExamples, mixed_batches, wrong_labels
from tasks.unlearners.steps.importance import importance
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class LearningToUnlearn(SGDUnlearner):
    """Climb the forget loss while adversarial images and unimportant weights hold the rest in place (Cha et al., 2024).

    For each forget image, k targeted L2 attacks on θ0 towards random wrong labels. Descend on the mean over
    batches of both of −CE (forget images) and +CE (adversarial ones, target labels), plus
    λ/2 · Σ (1 − Ω)(θ − θ0)², Ω = mean |∇ mean ‖f‖₂| on the forget set, scaled to 0..1 in each tensor. The authors
    stop once the forget accuracy is 0, start the attack at random, and forward the two parts of a batch apart.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, csm9493/L2UL",
        ("l2ul climbs on images and fits their adversaries with a stiff rest",),
    )
    passes: ClassVar[Passes] = Passes(forget=1, also=(Passes(forget=1, times=("adversaries",)),))
    preparation: ClassVar[Passes] = Passes(
        forget=1,
        steps=False,
        also=(Passes(forget=1, steps=False, times=("adversaries", "attack_steps")),),
    )

    lr: Annotated[float, Float(1e-4, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 3
    """Passes over the forget set and all adversarial images."""
    radius: Annotated[float, Float(0.4, 5.0, log=True, above=0)] = 2.0
    """L2 radius of the attacks, of pixels in [0, 1]."""
    adversaries: Annotated[int, Int(1, 4, least=1)] = 2
    """Adversarial images k of each forget image."""
    attack_steps: Annotated[int, Int(10, 100, log=True, least=1)] = 20
    """Steps of an attack, each a tenth of the radius. The authors' are 100, of a twentieth."""
    penalty: Annotated[float, Float(1e-1, 1e2, log=True, least=0)] = 10.0
    """Strength λ of the pull of unimportant weights towards the original."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: float = 1e-4
    """L2 penalty towards zero."""
    batch_size: int = 128
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model, size, rng = problem.model, self.batch_size, problem.rng
        masks, targeted = self.masks(problem), self.targeted(problem)
        model.eval()
        still = problem.forget.batches(size, rng, augment=False)
        stiffness = [1 - scaled(omega) for omega in importance(model, still, output_norm, power=1)]
        start = [w.detach().clone() for w in trainable(model)]
        optimizer = self.optimizer(model, masks)
        for _ in self.epochs_of(model):
            for x, y, adversarial in mixed_batches(problem.forget, targeted, size, rng):

                def loss() -> Tensor:
                    pull = elastic_pull(trainable(model), start, stiffness)
                    return signed_loss(model(x), y, adversarial) + self.penalty / 2 * pull

                descend(optimizer, loss)
            yield

    def targeted(self, problem: Problem) -> MadeExamples:
        """Make k adversarial images of each forget image, with the wrong labels they were drawn to."""
        import torch

        teacher, parts = problem.original(), []
        for _ in range(self.adversaries):
            for x, y in problem.forget.batches(self.batch_size, problem.rng, augment=False):
                target = wrong_labels(y, problem.classes, problem.rng)
                moved = projected_gradient(
                    teacher, x, target, radius=self.radius, step=self.radius / 10,
                    steps=self.attack_steps, pixels=problem.forget.pixel_range, targeted=True,
                )  # fmt: skip
                parts.append((moved, target))
        images, labels = (torch.cat([part[i] for part in parts]) for i in (0, 1))
        return MadeExamples(images, labels)


def signed_loss(logits: Tensor, labels: Tensor, adversarial: Tensor) -> Tensor:
    """Average CE over a batch: negative, but for the examples (N,) that are adversarial."""
    import torch

    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    return torch.where(adversarial, losses, -losses).mean()


def elastic_pull(
    weights: Sequence[Tensor], start: Sequence[Tensor], stiffness: Sequence[Tensor]
) -> Tensor | int:
    """Add up the squared ways of `weights` from `start`, each times its stiffness."""
    terms = zip(stiffness, weights, start, strict=True)
    return sum((s * (w - w0).square()).sum() for s, w, w0 in terms)


def output_norm(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute the mean Euclidean norm of the logits, whatever the labels (Aljundi et al., 2018, "MAS")."""
    return logits.norm(dim=1).mean()


def scaled(importances: Tensor) -> Tensor:
    """Map the least entry to 0 and the greatest to 1; a tensor of equal ones to 0."""
    least, span = importances.min(), importances.max() - importances.min()
    return (importances - least) / span.clamp(min=1e-30)
