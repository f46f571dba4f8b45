"""CFW, the confused weights: the third solution of the unlearning competition of NeurIPS 2023 (Triantafillou et
al., 2024, "Are we making progress in unlearning?"), as Cadet et al. (2024, "Deep Unlearn") name and port it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend
from tasks.unlearners.steps.blocks import convolutions
from tasks.unlearners.steps.noise import add_noise
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class ConfusedWeights(SGDUnlearner):
    """Add noise to the first convolution and fine-tune, with a little noise at last (Triantafillou et al., 2024).

    W ← W + σ · N(0, 1) for the first convolution that may move: the public port finds no other one in a ResNet. Then
    SGD on CE(retain), with a learning rate that falls along a cosine over the epochs; before the last of at least
    two epochs, W ← W + σ' · N(0, 1). The port's weights of the classes multiply a mean, and so are left out.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn",
        ("cfw adds noise of its deviation to the first convolution alone",),
    )
    anytime: ClassVar[bool] = False
    changes_convolutions: ClassVar[bool] = True
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(5e-4, 1e-1, log=True, above=0)] = 3e-2
    """SGD learning rate at the start; the competition's was 7e-4."""
    epochs: Annotated[int, Int(1, 10, least=1)] = 4
    """Passes over the chosen share of the retain set; the learning rate's schedule depends on it."""
    noise: Annotated[float, Float(0.0, 1.0, least=0)] = 0.6
    """Standard deviation σ of the first noise."""
    last_noise: float = 0.005
    """Standard deviation σ' of the noise before the last epoch."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: weights with noise do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model = problem.model
        confused = [layer.weight for layer in convolutions(model)[:1]]
        add_noise(confused, self.noise, problem.rng)
        optimizer = self.optimizer(model)
        for epoch in self.epochs_of(model):
            if epoch > 0 and epoch == self.epochs - 1:
                add_noise(confused, self.last_noise, problem.rng)
            fading = (1 + math.cos(math.pi * epoch / self.epochs)) / 2
            optimizer.param_groups[0]["lr"] = fading * self.lr
            for x, y in self.retain_batches(problem):
                descend(optimizer, lambda: cross_entropy(model(x), y))
            yield
