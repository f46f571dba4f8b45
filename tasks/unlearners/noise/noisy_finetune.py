"""Certified unlearning by noisy fine-tuning (Koloskova et al., 2025, "Certified unlearning for neural networks",
ICML), with the accounting of Feldman et al. (2018, "Privacy amplification by iteration")."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float, Int, Setting
from tasks.unlearners.base import Passes, SGDUnlearner, cross_entropy, descend, trainable
from tasks.unlearners.steps.batch_norm import reset_statistics
from tasks.unlearners.steps.gradients import flatten, split_like
from tasks.unlearners.steps.noise import add_noise
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.models.network import Network
    from tasks.problem import Problem


@dataclass(frozen=True)
class NoisyFinetune(SGDUnlearner):
    """Clip the weights, fine-tune one pass on the retain set with noise, then freely (Koloskova et al., 2025).

    θ ← clip(θ0, C0); T times θ ← θ − η·clip(∇CE(retain batch), C1) + N(0, σ²), with T the steps of the first epoch;
    then plain SGD. Two runs from any two models within C0 end (ε, δ)-indistinguishable, for any loss: with
    ρ = (√(ln 1/δ + ε) − √(ln 1/δ))², σ = (2·C0 + 2·η·C1·T) / √(2ρT). What that assumes: that the batches depend on
    the retain set alone; that no state between the first and the last noisy step is published; and that what is not
    a trainable weight holds nothing of the forget set. BatchNorm's statistics are therefore reset after the noise,
    and only later epochs fill them; a frozen layer fitted to all the data (ResNet-9's whitening) is not covered.
    The authors' code takes σ² half as large, and one Rényi divergence for all orders at once.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, stair-lab/certified-unlearning-neural-networks-icml-2025",
        ("the noise is what the budget asks for", "the noise has mean 0 and its size"),
    )
    passes: ClassVar[Passes] = Passes(retain=1)

    epsilon: Annotated[float, Float(0.1, 100.0, log=True, above=0)] = 1.0
    """Budget ε of the certificate."""
    weight_clip: Annotated[float, Float(1e-3, 10.0, log=True, above=0)] = 1e-2
    """Norm C0 to which all weights together are clipped at first."""
    gradient_clip: Annotated[float, Float(1e-1, 1e2, log=True, above=0)] = 1.0
    """Norm C1 to which the gradient of a noisy step is clipped."""
    noisy_lr: Annotated[float, Float(1e-5, 1e-1, log=True, above=0)] = 1e-3
    """Learning rate η of the noisy steps."""
    lr: Annotated[float, Float(1e-2, 1.0, log=True, above=0)] = 0.3
    """SGD learning rate of the free epochs."""
    epochs: Annotated[int, Int(1, 20, least=1)] = 5
    """Passes over the chosen share of the retain set: a noisy one, then free ones."""
    delta: Annotated[float, Setting(Float(0.0, 1.0, above=0, below=1))] = 1e-5
    """Probability δ with which the certificate may fail."""
    batch_size: int = 64
    """Examples per step."""
    # The certificate holds for these steps alone, with noise on every weight.
    mask: ClassVar[str] = "none"  # type: ignore[misc]
    mask_share: ClassVar[float] = 1.0  # type: ignore[misc]
    # As above.
    sam: ClassVar[float] = 0.0  # type: ignore[misc]

    @property
    def certificate(self) -> str:
        return (
            f"ε = {self.epsilon:g}, δ = {self.delta:g}, if the batches depend on the retain set alone, no state before "
            "the last noisy step is published, and hyper-parameters were chosen without the forget set; a frozen layer "
            "that was fitted to all the data (ResNet-9's whitening) breaks it"
        )

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch; each is certified."""
        model = problem.model
        sigma = self.sigma(problem.retain.steps(self.batch_size, self.retain_share))
        clip_weights(model, self.weight_clip)
        optimizer = self.optimizer(model)
        for epoch in self.epochs_of(model):
            for x, y in self.retain_batches(problem):
                if epoch == 0:
                    self.noisy_step(model, cross_entropy(model(x), y), sigma, problem)
                else:
                    descend(optimizer, lambda: cross_entropy(model(x), y))
            if epoch == 0:
                reset_statistics(model)
            yield

    def sigma(self, steps: int) -> float:
        """Compute the noise of each of `steps` noisy steps."""
        least = math.log(1 / self.delta)
        rho = (math.sqrt(least + self.epsilon) - math.sqrt(least)) ** 2
        apart = 2 * self.weight_clip + 2 * self.noisy_lr * self.gradient_clip * steps
        return apart / math.sqrt(2 * rho * steps)

    def noisy_step(self, model: Network, loss: Tensor, sigma: float, problem: Problem) -> None:
        """Descend by the clipped gradient of a loss, and add noise."""
        import torch

        weights = trainable(model)
        gradient = flatten(torch.autograd.grad(loss, weights))
        rate = self.noisy_lr * min(1.0, self.gradient_clip / max(float(gradient.norm()), 1e-30))
        with torch.no_grad():
            for weight, part in zip(weights, split_like(gradient, weights), strict=True):
                weight.sub_(part, alpha=rate)
        add_noise(weights, sigma, problem.rng)


def clip_weights(model: Network, norm: float) -> None:
    """Scale all trainable weights together down to at most a Euclidean norm."""
    import torch

    weights = trainable(model)
    with torch.no_grad():
        length = float(flatten(weights).norm())
        for weight in weights:
            weight.mul_(min(1.0, norm / max(length, 1e-30)))
