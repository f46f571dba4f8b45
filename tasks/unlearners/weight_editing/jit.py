"""Just-in-time unlearning (Foster et al., 2024, "An information theoretic approach to machine unlearning";
before, "Zero-shot machine unlearning at scale via Lipschitz regularization")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, Unlearner, sgd, step
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.models.network import Network
    from tasks.problem import Problem


@dataclass(frozen=True)
class JustInTime(Unlearner):
    """Flatten the model around each forget example, which takes no other data (Foster et al., 2024).

    One step of SGD down (1/N) Σ_k Σ_i ‖f(x_i) − f(x_i + σε)‖ / ‖σε‖ for each batch, over N draws of noise: a sum
    over the batch, so that the step grows with it. As in the authors' code the noisy images are clamped to the
    batch's range, and no gradient passes through them. Their code never clears gradients between batches;
    here each step is of its own batch.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, jwf40/Information-Theoretic-Unlearning",
        ("jit steps down the slope of the logits between an image and its noisy copies",),
    )
    passes: ClassVar[Passes] = Passes(forget=1)

    sigma: Annotated[float, Float(0.01, 2.0, log=True, above=0)] = 0.8
    """Standard deviation σ of the noise, of normalised pixels."""
    lr: Annotated[float, Float(1e-5, 2.0, log=True, above=0)] = 3e-4
    """SGD learning rate; the authors take 1.5 to forget a class from a VGG, 3e-4 from a ViT."""
    draws: int = 25
    """Noisy copies N of each example."""
    batch_size: int = 64
    """Examples per step."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        model = problem.model.eval()
        optimizer = sgd(model, self.lr, momentum=0.0)
        for x, _ in problem.forget.batches(self.batch_size, problem.rng, augment=False):
            step(optimizer, self.lipschitz(model, x, problem.rng))
        yield

    def lipschitz(self, model: Network, x: Tensor, rng: torch.Generator) -> Tensor:
        """Estimate how fast the logits change around the images of a batch, summed over it."""
        import torch

        from tasks.datasets.splits import send_to_device

        low, high = x.min(), x.max()
        logits = model(x)
        total = torch.zeros_like(logits[0, 0])
        for _ in range(self.draws):
            noise = send_to_device(torch.randn(x.shape, generator=rng), x.device)
            near = (x + self.sigma * noise).clamp(low, high)
            with torch.no_grad():
                beside = model(near)
            moved = (near - x).flatten(1).norm(dim=1)
            total = total + ((logits - beside).norm(dim=1) / moved).sum()
        return total / self.draws
