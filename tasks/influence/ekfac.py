"""Eigenvalue-corrected Kronecker factors (George et al., 2018, "Fast approximate natural gradient descent in a
Kronecker-factored eigenbasis"; for influence: Grosse et al., 2023, "Studying large language model
generalization with influence functions", section 2.2)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.influence.solver import Report, Solver

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.influence.layers import MatrixLayer, Trace
    from tasks.influence.objective import Objective, Weights

    Bases = dict[MatrixLayer, tuple[Tensor, Tensor]]
    Count = Callable[[], None]


@dataclass(frozen=True)
class EKFAC(Solver):
    """One eigenbasis a layer, from two passes over the examples; then a product costs next to nothing.

    The curvature of a convolution or a linear layer with W (O, K) is taken as diagonal in the Kronecker product
    of the eigenvectors of Σ g gᵀ (O, O) and Σ a aᵀ (K, K), of what enters the layer and of the gradients
    with respect to what leaves it. The diagonal is exact. Curvature between layers is left out. For all other
    weights, such as BatchNorm's, the exact diagonal of the Gauss-Newton matrix is taken.

    The gradients are those of the columns of a square root of the loss's Hessian, one backward pass a class: no
    labels are drawn, and the result is deterministic.
    """

    batch_size: int = 50
    """Examples whose per-example gradients of one layer are held at a time."""

    def solve(self, objective: Objective, target: Tensor, damping: float, report: Report) -> Tensor:
        """See `Solver.solve`."""
        from tasks.influence.layers import matrix_layers
        from tasks.unlearners.steps.gradients import flatten

        objective = replace(objective, batch_size=self.batch_size)
        layers = matrix_layers(objective.model)
        held = {name for layer in layers for name in layer.names}
        others = [name for name in objective.weights() if name not in held]
        passes = 2 + bool(others)
        count = _counter(passes * objective.split.steps(self.batch_size), report)
        bases = find_bases(objective, layers, count)
        eigenvalues = find_eigenvalues(objective, bases, count)
        parts = objective.parts(target)
        for layer, (left, right) in bases.items():
            turned = left.T @ layer.join(parts) @ right
            solved = left @ (turned / (eigenvalues[layer] + damping)) @ right.T
            parts.update(layer.cut(solved))
        for name, diagonal in find_diagonal(objective, others, count).items():
            parts[name] = parts[name] / (diagonal + damping)
        return flatten(parts.values())


def find_bases(objective: Objective, layers: list[MatrixLayer], count: Count) -> Bases:
    """Find the eigenvectors of Σ g gᵀ (O, O) and of Σ a aᵀ (K, K) of each layer."""
    import torch

    matrices = {layer: layer.join(objective.weights()) for layer in layers}
    left = {layer: torch.zeros_like(w @ w.T) for layer, w in matrices.items()}
    right = {layer: torch.zeros_like(w.T @ w) for layer, w in matrices.items()}
    for trace, columns in _differentiate(objective, layers):
        for layer in layers:
            a = trace.entered(layer)
            right[layer] += torch.einsum("nkp,nlp->kl", a, a)
        for column in columns:
            for layer, g in trace.gradients(column):
                left[layer] += torch.einsum("nop,nqp->oq", g, g)
        count()
    return {layer: (_eigenvectors(left[layer]), _eigenvectors(right[layer])) for layer in layers}


def find_eigenvalues(objective: Objective, bases: Bases, count: Count) -> dict[MatrixLayer, Tensor]:
    """Find the curvature (O, K) along each vector of the bases: the mean of squared derivatives."""
    import torch

    size = len(objective.split)
    found = {layer: torch.zeros_like(layer.join(objective.weights())) for layer in bases}
    for trace, columns in _differentiate(objective, list(bases)):
        turned = {
            layer: torch.einsum("kl,nkp->nlp", right, trace.entered(layer))
            for layer, (_, right) in bases.items()
        }
        for column in columns:
            for layer, g in trace.gradients(column):
                along = torch.einsum("oq,nop->nqp", bases[layer][0], g)
                each = torch.einsum("nqp,nlp->nql", along, turned[layer])
                found[layer] += each.square().sum(0) / size
        count()
    return found


def find_diagonal(objective: Objective, names: list[str], count: Count) -> Weights:
    """Find the diagonal of the Gauss-Newton matrix for the weights of these names."""
    import torch
    from torch.func import functional_call, jacrev, vmap

    some = {name: objective.weights()[name] for name in names}
    found = {name: torch.zeros_like(w) for name, w in some.items()}

    def logits_of(weights: Weights, image: Tensor) -> Tensor:
        return functional_call(objective.model, weights, (image.unsqueeze(0),)).squeeze(0)

    for x, y in objective.batches() if names else ():
        roots = objective.loss_hessian_root(objective.model(x).detach(), y)
        for name, jacobian in vmap(jacrev(logits_of), in_dims=(None, 0))(some, x).items():
            each = torch.einsum("nkc,nk...->nc...", roots, jacobian)
            found[name] += each.square().sum((0, 1)) / len(objective.split)
        count()
    return found


def _differentiate(
    objective: Objective, layers: list[MatrixLayer]
) -> Iterator[tuple[Trace, Iterator[Tensor]]]:
    """Yield, a batch each, what passed through the layers, and the functions whose gradients are squared.

    These are Σ logits · column over the batch, for each column of a square root of the loss's Hessian.
    """
    from tasks.influence.layers import traced

    for x, y in objective.batches():
        with traced(layers) as trace:
            logits = objective.model(x)
        roots = objective.loss_hessian_root(logits.detach(), y)
        yield trace, ((logits * column).sum() for column in roots.unbind(2))


def _eigenvectors(matrix: Tensor) -> Tensor:
    """Return the eigenvectors of a symmetric matrix as columns, found in float64."""
    import torch

    return torch.linalg.eigh(matrix.double())[1].to(matrix)


def _counter(total: int, report: Report) -> Count:
    """Return a function that reports one more of `total` steps whenever it is called."""
    done = itertools.count(1)
    return lambda: report(next(done), total)
