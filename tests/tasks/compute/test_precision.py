"""A forward pass in bfloat16, as devices do it that multiply it natively; any CPU can imitate it."""

from __future__ import annotations

import pytest
import torch

from tasks.models import MODELS, model_class
from tasks.models.network import Network


def pair(name: str) -> tuple[Network, torch.Tensor]:
    """A model with seeded weights, and images."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, 32, 32, generator=rng)
    model = model_class(name)[0](3, 10)
    model.initialise(images, rng)
    return model, images


@pytest.mark.parametrize("name", list(MODELS))
def test_logits_in_bfloat16_are_float32_and_near_those_in_float32(name: str) -> None:
    model, images = pair(name)
    model.eval()
    with torch.no_grad():
        exact = model(images)
        model.compute_dtype = torch.bfloat16
        coarse = model(images)
    assert exact.dtype == coarse.dtype == torch.float32
    assert not torch.equal(exact, coarse), "it was computed in float32"
    assert torch.allclose(exact, coarse, atol=0.05 * exact.abs().max().item())


def test_gradients_through_bfloat16_are_float32_like_the_weights() -> None:
    model, images = pair("resnet9")
    model.compute_dtype = torch.bfloat16
    model(images).square().sum().backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert gradients
    for gradient in gradients:
        assert gradient is not None
        assert gradient.dtype == torch.float32
        assert gradient.isfinite().all()
