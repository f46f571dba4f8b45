"""Layers as matrices, against the layers themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.models.resnet9 import ResNet9
from tasks.models.small_cnn import SmallCNN
from tasks.unlearners.steps.layers import (
    input_products,
    input_rows,
    matrix_layers,
    principal_directions,
)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 5, 3, padding=1, bias=False), (2, 3, 6, 7)),
        (nn.Conv2d(3, 5, (3, 2), stride=2, padding=(0, 1), dilation=2, bias=False), (2, 3, 9, 9)),
        (nn.Conv2d(3, 5, (5, 3), padding="same", dilation=(1, 2), bias=False), (2, 3, 6, 7)),
        (nn.Conv2d(3, 5, 3, padding="valid", bias=False), (2, 3, 6, 7)),
        (nn.Conv2d(3, 5, 3, padding=(2, 1), padding_mode="circular", bias=False), (2, 3, 6, 7)),
        (nn.Conv2d(3, 5, 4, padding="same", padding_mode="reflect", bias=False), (2, 3, 6, 7)),
        (
            nn.Conv2d(3, 5, 3, stride=2, padding=1, padding_mode="replicate", bias=False),
            (2, 3, 6, 7),
        ),
        (nn.Linear(4, 5, bias=False), (6, 4)),
    ],
)
def test_a_layer_is_the_product_of_its_rows_and_its_weight(
    layer: nn.Conv2d | nn.Linear, shape: tuple[int, ...]
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layer.double()
    rows = input_rows(layer, x) @ layer.weight.flatten(1).T
    outputs = layer(x)
    if outputs.dim() == 4:
        outputs = outputs.flatten(2).transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(rows, outputs)


def test_products_add_up_over_batches_and_have_the_singular_values_of_the_rows() -> None:
    model = SmallCNN(1, 10).eval()
    layers = matrix_layers(model)
    assert [type(m) for m in layers] == [nn.Conv2d, nn.Conv2d, nn.Conv2d, nn.Linear]
    x = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(6, dtype=torch.int64)
    counted: list[float] = []
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    first, *_ = input_products(model, layers[:1], batches, counted.append)
    rows = input_rows(layers[0], x).double()
    torch.testing.assert_close(first, rows.T @ rows)
    inputs = layers[0].weight[0].numel()
    assert sum(counted) == 2 * len(rows) * inputs**2, "a multiply-add is two"
    values, directions = principal_directions(first, counted.append)
    assert counted[-1] == 9 * inputs**3
    _, expected, _ = torch.linalg.svd(rows, full_matrices=False)
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(directions @ torch.diag(values**2) @ directions.T, first)
    assert not any(m._forward_pre_hooks for m in layers), "the hooks are gone"


def test_a_frozen_whitening_layer_is_left_out() -> None:
    model = ResNet9(3, 10, width=0.25)
    assert model.whiten not in matrix_layers(model)
    assert len(matrix_layers(model)) == 7
