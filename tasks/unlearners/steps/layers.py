"""Layers as matrices: what enters a convolution or a linear layer, and the directions it fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.datasets.splits import Batch
    from tasks.models.network import Network

EIGENVECTORS = 9
"""FLOPs over n³ of a symmetric n × n matrix's eigenvalues and vectors (Golub and Van Loan, 2013, §8.3: about 9)."""


def matrix_layers(model: Network) -> list[nn.Conv2d | nn.Linear]:
    """List the convolutions (of one group) and linear layers with trainable weights, in order."""
    from torch import nn

    return [
        m
        for m in model.modules()
        if (isinstance(m, nn.Linear) or (isinstance(m, nn.Conv2d) and m.groups == 1))
        and m.weight.requires_grad
    ]


def input_rows(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Reshape what enters a layer to rows (N, D) that its flattened weight (outputs, D) multiplies.

    The rows of a convolution are its patches: N counts images times positions.
    """
    from torch import nn

    if isinstance(layer, nn.Conv2d):
        inputs = inputs.float() if inputs.element_size() < 4 else inputs
        return patches(layer, inputs).transpose(1, 2).flatten(0, 1)
    return inputs.flatten(0, -2)


def patches(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """Cut images (N, C, H, W) into what the kernel of a convolution meets: (N, D, positions).

    They are padded as the layer pads them, at most a pixel more behind than before.
    """
    from torch.nn import functional as F

    sides: list[int] = []
    for axis in (1, 0):  # F.pad begins with the last dimension
        if layer.padding == "same":
            total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            sides += [total // 2, total - total // 2]
        else:
            sides += [0 if layer.padding == "valid" else int(layer.padding[axis])] * 2
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.unfold(
        F.pad(images, sides, mode), layer.kernel_size, layer.dilation, stride=layer.stride
    )


def input_products(
    model: Network,
    layers: Sequence[nn.Module],
    batches: Iterable[Batch],
    count_flops: Callable[[float], None],
) -> list[Tensor]:
    """Sum xxᵀ over all rows x that enter each layer: float64 (D, D), for each layer.

    Its eigenvectors are the left singular vectors of all inputs as columns, its eigenvalues the squared
    singular values. One forward pass, in the model's present mode; `count_flops` is told of the rest.
    """
    import torch

    totals: list[Tensor | None] = [None] * len(layers)

    def hook(number: int, layer: nn.Module, inputs: Tensor) -> None:
        rows = input_rows(layer, inputs).double()
        product = rows.T @ rows
        count_flops(2 * rows.numel() * rows.shape[1])
        before = totals[number]
        totals[number] = product if before is None else before + product

    handles = [
        layer.register_forward_pre_hook(lambda m, given, n=number: hook(n, m, given[0]))
        for number, layer in enumerate(layers)
    ]
    try:
        with torch.no_grad():
            for x, _ in batches:
                model(x)
    finally:
        for handle in handles:
            handle.remove()
    return [total for total in totals if total is not None]


def principal_directions(
    product: Tensor, count_flops: Callable[[float], None]
) -> tuple[Tensor, Tensor]:
    """Return the singular values (D,), largest first, and their directions as columns (D, D), of a product."""
    import torch

    count_flops(EIGENVECTORS * len(product) ** 3)
    values, vectors = torch.linalg.eigh(product)
    return values.clamp(min=0).sqrt().flip(0), vectors.flip(1)
