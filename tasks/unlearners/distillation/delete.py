"""DELETE (Zhou et al., 2025, "Decoupled distillation to erase", CVPR, section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, descend
from tasks.unlearners.forget_alone import ForgetAlone
from tasks.unlearners.steps.distillation import kl_divergence, without_class
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class Delete(ForgetAlone):
    """Imitate, on the forget set, the original's outputs without the true class (Zhou et al., 2025).

    Descend on KL(target ‖ student), where the target is softmax(f_θ0) with the true class's logit at −∞. The
    retain set is not read: the ratios of the other classes hold the rest in place.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, shaaaaron/DELETE", ("delete imitates the original without the true class",)
    )
    passes: ClassVar[Passes] = Passes(forget=1)

    lr: Annotated[float, Float(1e-5, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate."""
    epochs: Annotated[int, Int(1, 20, least=1)] = 5
    """Passes over the forget set."""
    retain_share: ClassVar[float] = 0.0  # type: ignore[misc]
    weight_decay: float = 0.0
    """L2 penalty towards zero."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        import torch

        model, teacher = problem.model, problem.original()
        optimizer = self.optimizer(model, self.masks(problem))
        for _ in self.epochs_of(model):
            with self.forget_pass(model):
                for x, y in self.forget_batches(problem):
                    with torch.no_grad():
                        target = without_class(teacher(x), y)
                    descend(optimizer, lambda: kl_divergence(model(x), target))
            yield
