"""Second derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def hessian_vector_product(
    loss: Tensor, weights: Sequence[Tensor], vector: Sequence[Tensor]
) -> list[Tensor]:
    """Multiply the Hessian of `loss` with respect to `weights` by `vector`, of the same shapes.

    Exact, by differentiating twice (Pearlmutter, 1994): it costs about two gradients. The graph of `loss`
    is kept, for further products.
    """
    import torch

    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    parts = [(g * v).sum() for g, v in zip(gradients, vector, strict=True)]
    products = torch.autograd.grad(
        sum(parts[1:], parts[0]), weights, retain_graph=True, materialize_grads=True
    )
    return list(products)
