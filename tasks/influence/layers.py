"""Convolutions and linear layers as matrices: their weights, what enters them and what leaves them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.influence.objective import Weights


@dataclass(frozen=True, eq=False)
class MatrixLayer:
    """A Conv2d or Linear layer, whose output at each position is W a; a trainable bias is a column of W."""

    name: str
    module: nn.Conv2d | nn.Linear

    @property
    def has_bias(self) -> bool:
        """Tell whether the bias is a column of W."""
        return self.module.bias is not None and self.module.bias.requires_grad

    @property
    def names(self) -> list[str]:
        """The weights that W holds, as `named_parameters` calls them."""
        prefix = f"{self.name}." if self.name else ""
        return [prefix + part for part in ("weight", "bias")[: 1 + self.has_bias]]

    def join(self, weights: Weights) -> Tensor:
        """Return W (O, K) from the weights by name."""
        first, *bias = (weights[name] for name in self.names)
        return torch.cat([first.flatten(1), *(b.unsqueeze(1) for b in bias)], 1)

    def cut(self, matrix: Tensor) -> Weights:
        """Return the weights by name that W (O, K) holds."""
        weight = self.module.weight
        parts = matrix.split([weight[0].numel(), 1][: 1 + self.has_bias], 1)
        shapes = [weight.shape, weight.shape[:1]]
        return {n: p.reshape(s) for n, p, s in zip(self.names, parts, shapes, strict=False)}

    def inputs(self, x: Tensor) -> Tensor:
        """Return the a (N, K, P) at each of P positions, of what enters the layer."""
        if isinstance(self.module, nn.Conv2d):
            conv = self.module
            a = F.unfold(x, conv.kernel_size, conv.dilation, conv.padding, conv.stride)  # type: ignore[arg-type]
        else:
            a = x.reshape(len(x), -1, x.shape[-1]).transpose(1, 2)
        return torch.cat([a, torch.ones_like(a[:, :1])], 1) if self.has_bias else a

    def outputs(self, g: Tensor) -> Tensor:
        """Return what leaves the layer, or the gradient of it, as (N, O, P)."""
        if isinstance(self.module, nn.Conv2d):
            return g.flatten(2)
        return g.reshape(len(g), -1, g.shape[-1]).transpose(1, 2)


@dataclass
class Trace:
    """What passed through the layers in one forward pass, in order; a layer may be used more than once."""

    inputs: dict[MatrixLayer, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    outputs: dict[MatrixLayer, list[Tensor]] = field(default_factory=lambda: defaultdict(list))

    def gradients(self, value: Tensor) -> Iterator[tuple[MatrixLayer, Tensor]]:
        """Yield each layer and the gradient (N, O, P) of a number with respect to its outputs."""
        flat = [t for parts in self.outputs.values() for t in parts]
        found = iter(torch.autograd.grad(value, flat, retain_graph=True))
        for layer, parts in self.outputs.items():
            yield layer, torch.cat([layer.outputs(next(found)) for _ in parts], 2)

    def entered(self, layer: MatrixLayer) -> Tensor:
        """Return what entered a layer, as (N, K, P)."""
        return torch.cat([layer.inputs(x) for x in self.inputs[layer]], 2)


def matrix_layers(model: nn.Module) -> list[MatrixLayer]:
    """List the trainable layers that are matrices: Linear, and Conv2d without groups and with zeros around."""
    return [
        MatrixLayer(name, module)
        for name, module in model.named_modules()
        if _is_matrix(module) and module.weight.requires_grad  # type: ignore[union-attr]
    ]  # type: ignore[arg-type]


@contextmanager
def traced(layers: Sequence[MatrixLayer]) -> Iterator[Trace]:
    """Record what passes through the layers within the block."""
    trace = Trace()

    def watch(layer: MatrixLayer) -> torch.utils.hooks.RemovableHandle:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            trace.inputs[layer].append(inputs[0].detach())
            trace.outputs[layer].append(output)

        return layer.module.register_forward_hook(keep)

    handles = [watch(layer) for layer in layers]
    try:
        yield trace
    finally:
        for handle in handles:
            handle.remove()


def _is_matrix(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        plain = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        return plain and module.groups == 1
    return isinstance(module, nn.Linear)
