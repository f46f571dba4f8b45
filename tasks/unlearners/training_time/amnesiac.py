"""Amnesiac unlearning (Graves et al., 2021, "Amnesiac machine learning", AAAI)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class Amnesiac(SGDUnlearner):
    """Take back the updates of all batches that held a forgotten example, then fine-tune (Graves et al., 2021).

    θ ← θ0 − Σ_b Δ_b, over the batches b of the original's training that hold forgotten examples, Δ_b the weights
    after their step less those before; then epochs of SGD on the retain set. BatchNorm's statistics are not in the
    log. It is meant for few forgotten examples: with a tenth of the data nearly every batch is in the log, θ is then
    nearly the initial weights, and what follows is a training from scratch. The authors' length of the fine-tuning
    could not be verified.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, lmgraves/AmnesiacML; the length of the fine-tuning is not verified",
        (
            "a full log taken back gives the initial weights",
            "amnesiac first takes the log back",
        ),
    )
    needs: ClassVar[frozenset[str]] = frozenset({"update_log"})
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(1e-3, 0.3, log=True, above=0)] = 5e-2
    """SGD learning rate of the fine-tuning."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 5
    """Passes over the chosen share of the retain set."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: the updates that are taken back moved all weights.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        model = problem.model
        undo_updates(problem)
        optimizer = self.optimizer(model)
        for _ in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield


def undo_updates(problem: Problem) -> None:
    """Subtract the logged updates from the weights of the model, in place."""
    import torch

    log = problem.prepared("update_log")
    with torch.no_grad():
        for name, weight in problem.model.named_parameters():
            if name in log:
                weight.sub_(log[name].to(weight.device))
