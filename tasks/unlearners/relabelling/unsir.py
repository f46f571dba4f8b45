"""UNSIR (Tarun et al., 2023, "Fast yet effective machine unlearning", section IV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.errors import InvalidValue
from tasks.search_space import Float, Int
from tasks.unlearners.base import Passes, Unlearner, cross_entropy, step, trainable
from tasks.unlearners.steps.batches import MadeExamples, count_share, mixed_batches
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.problem import Problem


@dataclass(frozen=True)
class Unsir(Unlearner):
    """Fit noise that the original does not take for a forgotten class to that class, then repair (Tarun et al., 2023).

    For each forgotten class c, a batch of noise N, at first from N(0, 1), goes down −CE(f_θ0(N), c) + λ·mean ‖N‖²
    by Adam. Impair: one pass down CE, by Adam, over copies of N labelled c and a fixed retain sample. Repair: one pass
    over that sample alone. The forget set is not read. The authors' notebook labels the noise of every class 0.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, vikram2000b/Fast-Machine-Unlearning",
        (
            "unsir's noise flees from its class and towards zero",
            "unsir fits each class's noise to that class, then repairs",
        ),
    )
    class_forgetting: ClassVar[bool] = True
    # Of one forgotten class; each more adds the noise again.
    passes: ClassVar[Passes] = Passes(retain=2, also=(Passes(retain=1, times=("noise_share",)),))
    preparation: ClassVar[Passes] = Passes(made_batches=1, times=("noise_steps",))

    impair_lr: Annotated[float, Float(1e-4, 2e-2, log=True, above=0)] = 5e-3
    """Adam learning rate of the pass over noise and retain sample; the authors' is 0.02."""
    repair_lr: Annotated[float, Float(1e-4, 2e-2, log=True, above=0)] = 5e-3
    """Adam learning rate of the pass over the retain sample; the authors' is 0.01."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 0.5
    """Share of the retain set in the sample; the authors' is 0.2, a thousand images a class of CIFAR-10."""
    noise_steps: Annotated[int, Int(5, 80, log=True, least=1)] = 40
    """Steps on the noise."""
    noise_lr: Annotated[float, Float(1e-2, 1.0, log=True, above=0)] = 0.1
    """Adam learning rate of the noise."""
    penalty: Annotated[float, Float(1e-2, 1.0, log=True, least=0)] = 0.1
    """Strength λ of the pull of the noise towards the mean image."""
    noise_share: Annotated[float, Float(0.05, 1.0, log=True)] = 0.3
    """Noise images of a class in the impairing pass, for each retain image there: the authors' is 0.6."""
    batch_size: Annotated[int, Int(32, 256, log=True, least=1)] = 64
    """Examples per step, and different noise images of a class; the authors' is 256."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        import torch

        from tasks.compute.adam import Adam

        model, rng, size = problem.model, problem.rng, self.batch_size
        if not problem.forgotten_classes:
            raise InvalidValue("unsir forgets whole classes, and this task forgets none")
        parts = [self.noise(problem, c) for c in problem.forgotten_classes]
        labels = torch.tensor(problem.forgotten_classes, device=problem.device)
        sample = problem.retain.subset(count_share(problem.retain, self.retain_share), rng)
        count = max(1, round(self.noise_share * len(sample)))
        again = torch.arange(count) % size
        noise = torch.cat([part[again] for part in parts])
        harmful = MadeExamples(noise, labels.repeat_interleave(count))
        model.train()
        optimizer = Adam(trainable(model), self.impair_lr)
        for x, y, _ in mixed_batches(sample, harmful, size, rng):
            step(optimizer, cross_entropy(model(x), y))
        optimizer = Adam(trainable(model), self.repair_lr)
        for x, y in sample.batches(size, rng):
            step(optimizer, cross_entropy(model(x), y))
        yield

    def noise(self, problem: Problem, label: int) -> Tensor:
        """Train a batch of noise (B, C, H, W) that the original does not take for class `label`."""
        import torch

        from tasks.compute.adam import Adam
        from tasks.datasets.splits import send_to_device

        teacher, shape = problem.original(), problem.retain.sample(1, problem.rng).shape[1:]
        drawn = torch.randn(self.batch_size, *shape, generator=problem.rng)
        noise = send_to_device(drawn, problem.device).requires_grad_()
        labels = torch.full((self.batch_size,), label, device=problem.device)
        optimizer = Adam([noise], self.noise_lr)
        for _ in range(self.noise_steps):
            size = noise.square().flatten(1).sum(1).mean()
            step(optimizer, self.penalty * size - cross_entropy(teacher(noise), labels))
        return noise.detach()
