"""RNI, noise in random layers: the seventh solution of the unlearning competition of NeurIPS 2023 (Triantafillou
et al., 2024, "Are we making progress in unlearning?"), as Cadet et al. (2024, "Deep Unlearn") name and port it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, trainable
from tasks.unlearners.steps.noise import add_noise
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.problem import Problem


@dataclass(frozen=True)
class NoisyRandomLayers(SGDUnlearner):
    """Draw the head anew, train random tensors, some with noise, and at last all (Triantafillou et al., 2024).

    In each early epoch `tensors` random weight tensors and all of BatchNorm's move down CE(retain), the others are
    fixed; from the second epoch on, σ · N(0, 1) is added to `noisy` of the chosen ones before. In the last `whole`
    epochs everything moves; in the very last one, five times as fast. An optimizer lasts an epoch.
    """

    verified: ClassVar[Verified] = Verified(
        "a port, xcadet/deepunlearn",
        (
            "rni trains a few tensors and batch norm, then everything",
            "rni draws the head anew and adds noise from the second early epoch on",
        ),
    )
    anytime: ClassVar[bool] = False
    passes: ClassVar[Passes] = Passes(retain=1)

    lr: Annotated[float, Float(2e-3, 1e-1, log=True, above=0)] = 1e-2
    """SGD learning rate before the last epoch; the competition's was 2e-4, for more steps."""
    retain_share: Annotated[float, Float(0.2, 1.0, log=True, above=0, most=1)] = 1.0
    """Share of the retain set visited in an epoch, drawn anew each time; too few steps repair nothing."""
    epochs: Annotated[int, Int(1, 15, least=1)] = 9
    """Passes over the chosen share of the retain set, early and whole."""
    whole: Annotated[int, Int(1, 8, least=1)] = 4
    """Last epochs, in which all weights move; all of them if there are fewer."""
    tensors: Annotated[int, Int(1, 20, least=1)] = 9
    """Weight tensors that move in an early epoch."""
    noisy: Annotated[float, Float(0.0, 1.0)] = 0.7
    """Share of these that get noise."""
    noise: Annotated[float, Float(0.0, 0.1, least=0)] = 0.04
    """Standard deviation σ of the noise."""
    last_factor: float = 5.0
    """By how much the learning rate is higher in the last epoch."""
    batch_size: int = 64
    """Examples per step."""
    # A mask makes no sense: weights that are drawn anew do not keep their values.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; only the last counts."""
        model, rng = problem.model, problem.rng
        norms = norm_weights(model)
        model.reset(model.head, rng)
        for epoch in self.epochs_of(model):
            moved: list[Tensor] = list(trainable(model))
            if epoch < self.epochs - self.whole:
                chosen = choose([w for w in moved if id(w) not in norms], self.tensors, rng)
                if epoch > 0:
                    noisy = choose(chosen, int(self.noisy * len(chosen)), rng)
                    add_noise(noisy, self.noise, rng)
                moved = [*chosen, *(w for w in moved if id(w) in norms)]
            self.train(problem, moved, self.last_factor if epoch == self.epochs - 1 else 1.0)
            yield

    def train(self, problem: Problem, moved: Sequence[Tensor], factor: float) -> None:
        """Descend on the retain set for an epoch with `moved` alone, at `factor` times the learning rate."""
        import torch

        from tasks.compute.sgd import SGD

        model = problem.model
        plain = SGD(moved, factor * self.lr, self.momentum, weight_decay=self.weight_decay)
        optimizer = self.with_options(plain, model)

        def differentiate(x: Tensor, y: Tensor) -> None:
            gradients = torch.autograd.grad(cross_entropy(model(x), y), moved)
            for weight, gradient in zip(moved, gradients, strict=True):
                weight.grad = gradient

        for x, y in self.retain_batches(problem):
            optimizer.move(lambda: differentiate(x, y))


def norm_weights(model: nn.Module) -> set[int]:
    """Collect the identities of the weights of BatchNorm layers."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return {id(p) for m in model.modules() if isinstance(m, _BatchNorm) for p in m.parameters()}


def choose(among: Sequence[Tensor], count: int, rng: torch.Generator) -> list[Tensor]:
    """Draw `count` of the tensors, or all if there are fewer, in their order."""
    import torch

    places = torch.randperm(len(among), generator=rng)[:count].sort().values
    return [among[i] for i in places.tolist()]
