"""Class forgetting by singular value decomposition (Kodge et al., 2024, "Deep unlearning: fast and efficient
gradient-free class forgetting", TMLR)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.search_space import Float
from tasks.unlearners.base import Passes, Unlearner
from tasks.unlearners.steps.layers import input_products, matrix_layers, principal_directions
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.problem import Problem


@dataclass(frozen=True)
class SingularValueProjection(Unlearner):
    """Project out of each layer's input the directions that the forgotten class fills alone (Kodge et al., 2024).

    M = U diag(α·s / ((α − 1)·s + 1)) Uᵀ, where U and s are the directions of a layer's inputs and their shares of
    the squared singular values, for M_r of the retain and M_f of the forget set; W ← W · (I − M_f + M_r·M_f).
    No gradients. The authors draw as many retained images of each class and at most 10 000 patches of a layer;
    here the images are drawn at random, and all their patches count.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, sangamesh-kodge/class_forgetting",
        (
            "kodge scales by the singular value decomposition",
            "kodge changes nothing where the retain set fills what the forget set fills",
        ),
    )
    class_forgetting: ClassVar[bool] = True
    passes: ClassVar[Passes] = Passes()
    counts_beside: ClassVar[bool] = True

    retain_scale: Annotated[float, Float(10.0, 1000.0, log=True, above=0)] = 100.0
    """Scale α of the retain set: the larger, the more directions are kept."""
    forget_scale: Annotated[float, Float(1.0, 100.0, log=True, above=0)] = 3.0
    """Scale α of the forget set: the larger, the more directions are removed, unless they are kept."""
    images: int = 900
    """Images of each set whose layer inputs are decomposed."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        import torch

        model = problem.model.eval()
        layers = matrix_layers(model)

        def products(split: Split) -> list[Tensor]:
            part = split.subset(self.images, problem.rng)
            return input_products(model, layers, part.ordered(), problem.count_flops)

        pairs = zip(layers, products(problem.retain), products(problem.forget), strict=True)
        with torch.no_grad():
            for layer, retain, forget in pairs:
                kept = importance_matrix(retain, self.retain_scale, problem.count_flops)
                gone = importance_matrix(forget, self.forget_scale, problem.count_flops)
                flat = layer.weight.flatten(1).double()
                problem.count_flops(3 * 2 * flat.numel() * len(gone))
                layer.weight.copy_((flat - flat @ gone + flat @ kept @ gone).view_as(layer.weight))
        yield


def importance_matrix(
    product: Tensor, scale: float, count_flops: Callable[[float], None]
) -> Tensor:
    """Scale each direction of a layer's inputs, given as their product (D, D), by α·s / ((α − 1)·s + 1)."""
    values, directions = principal_directions(product, count_flops)
    count_flops(2 * len(product) ** 3)
    share = values.square() / values.square().sum()
    return (directions * (scale * share / ((scale - 1) * share + 1))) @ directions.T
