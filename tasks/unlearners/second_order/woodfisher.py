"""Influence unlearning with WoodFisher (Izzo et al., 2021, "Approximate data deletion from machine learning models";
with the inverse of Singh and Alistarh, 2020, as Jia et al., 2023, "Model sparsity can simplify machine unlearning",
run it)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, Unlearner, cross_entropy, trainable
from tasks.unlearners.steps.gradients import flatten, mean_gradient, write_weights
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from tasks.problem import Problem


@dataclass(frozen=True)
class WoodFisher(Unlearner):
    """Move the weights by the influence of the forget set, with an approximate inverse Fisher (Jia et al., 2023).

    v = (n_f/n)·(g_f − g_r), k = v, then for N single retained examples with gradients s: the first sets o = s, each
    other one t = o·s, k −= (k·s)/(N + t)·o, o −= t/(N + t)·o. In the end θ ← θ + α·k. The code of Jia et al. takes
    N = 1000 examples in stored order; here N is a random share of the retain set, which also estimates g_r.
    """

    verified: ClassVar[Verified] = Verified(
        "the code of Jia et al., OPTML-Group/Unlearn-Sparse",
        ("woodfisher runs its recursion over single examples",),
    )
    passes: ClassVar[Passes] = Passes(retain=2, forget=1)

    strength: Annotated[float, Float(1.0, 30.0, log=True, above=0)] = 10.0
    """Factor α of the step."""
    retain_share: Annotated[float, Float(0.02, 1.0, log=True, above=0, most=1)] = 0.1
    """Share of the retain set that is read, twice: in batches, and example by example."""
    batch_size: int = 256
    """Examples of which gradients are taken at once; it changes no result."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        import torch

        model, retain = problem.model.eval(), len(problem.retain)
        part = problem.retain.subset(max(1, round(self.retain_share * retain)), problem.rng)
        of_forget = mean_gradient(model, problem.forget.ordered(self.batch_size))
        of_retain = mean_gradient(model, part.ordered(self.batch_size))
        forgotten = len(problem.forget) / (len(problem.forget) + retain)
        k, o, count = forgotten * (of_forget - of_retain), None, len(part)
        weights = trainable(model)
        for x, y in part.batches(1, problem.rng, augment=False):
            s = flatten(torch.autograd.grad(cross_entropy(model(x), y), weights))
            if o is None:
                o = s.clone()
                continue
            t = o.dot(s)
            k = k - k.dot(s) / (count + t) * o
            o = o - t / (count + t) * o
        write_weights(model, flatten(weights) + self.strength * k)
        yield
