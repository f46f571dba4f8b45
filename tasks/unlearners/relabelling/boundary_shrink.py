"""Boundary shrinking (Chen et al., 2023, "Boundary unlearning", CVPR, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, cross_entropy, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.attacks import fast_gradient_sign
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class BoundaryShrink(ForgetAlone):
    """Fit the forget set to the classes that the original sees in its adversarial images (Chen et al., 2023).

    Descend on CE(forget, argmax f_θ0(x′)), where x′ = x + r·sign ∇CE(f_θ0(x), y), clipped to the range of pixels
    and rounded to 1/255. The label may still be the true one, if the attack fails. The retain set is not read.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, OPTML-Group/Unlearn-Saliency",
        ("boundary shrink takes the label of the adversarial image",),
    )
    passes: ClassVar[Passes] = Passes(forget=1, also=(Passes(forget=1, steps=False),))

    lr: Annotated[float, Float(1e-6, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate; the authors' is 1e-5, over hundreds of steps."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over the forget set."""
    radius: Annotated[float, Float(0.02, 0.5, log=True, above=0)] = 0.1
    """How far r each pixel of an adversarial image moves, of a range of 1."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: float = 0.0
    """L2 penalty towards zero."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        model, teacher, pixels = problem.model, problem.original(), problem.forget.pixel_range
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            with self.forget_pass(model):
                for x, y in self.forget_batches(problem):
                    adversarial = fast_gradient_sign(teacher, x, y, self.radius, pixels)
                    with torch.no_grad():
                        nearest = teacher(adversarial).argmax(1)
                    descend(optimizer, lambda: cross_entropy(model(x), nearest))
            yield
