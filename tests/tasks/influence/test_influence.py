"""Influence functions against closed forms, retraining without an example, and dense matrices in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from tiny_problem import CPU, LinearModel, everything, flat, linear_problem
from torch import Tensor
from torch.nn import functional as F

from tasks.datasets.dataset import Dataset
from tasks.datasets.splits import ResidentSource, Split
from tasks.influence import SOLVERS
from tasks.influence.conjugate_gradients import ConjugateGradients
from tasks.influence.ekfac import EKFAC, find_bases, find_diagonal, find_eigenvalues
from tasks.influence.layers import matrix_layers
from tasks.influence.lissa import LiSSA
from tasks.influence.objective import Objective, cross_entropies
from tasks.influence.scores import influence_scores, training_objective
from tasks.influence.solver import Solver
from tasks.models import MODELS, model_class
from tasks.models.small_cnn import SmallCNN
from tasks.roles import ORIGINAL
from tasks.unlearners.base import trainable
from tasks.unlearners.steps.gradients import write_weights
from tasks.workbench import Workbench

EXACT = ConjugateGradients(steps=200, tolerance=1e-13)


def quiet(*progress: int) -> None:
    """Report nothing."""


def squares(outputs: Tensor, labels: Tensor) -> Tensor:
    """Half the squared distance of the outputs from the labels as unit vectors."""
    return (outputs - torch.eye(outputs.shape[1]).to(outputs)[labels]).square().sum(1) / 2


def with_ones(split: Split) -> tuple[Tensor, Tensor]:
    """The flat images with a one at the end, as a bias wants, in float64; the labels."""
    a, y = everything(split)
    return torch.cat([a, torch.ones(len(a), 1).double()], 1), y


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [(EXACT, 1e-10), (EKFAC(), 1e-10), (LiSSA(steps=800, batch_size=12), 1e-8)],
    ids=lambda value: type(value).__name__,
)
def test_on_a_quadratic_it_is_the_derivative_of_the_closed_form(
    solver: Solver, tolerance: float
) -> None:
    """Ridge regression solved with a weight for each example; autograd gives what a weight does to the loss.

    The curvature of this loss is I ⊗ Σ a aᵀ, so that Kronecker factors are exact.
    """
    problem, damping = linear_problem(), 2.0
    (a, y), (b, z) = with_ones(problem.retain), with_ones(problem.forget)
    share = torch.full((len(a),), 1 / len(a), dtype=torch.float64, requires_grad=True)
    matrix = a.T @ (share[:, None] * a) + damping * torch.eye(a.shape[1]).double()
    best = torch.linalg.solve(matrix, a.T @ (share[:, None] * F.one_hot(y, 3)))
    loss = squares(b[:1] @ best, z[:1]).sum()
    expected = -torch.autograd.grad(loss, share)[0] / len(a)

    write_weights(problem.model, torch.cat([best[:-1].T.flatten(), best[-1]]).detach())
    objective = Objective(problem.model, problem.retain, squares, batch_size=5)
    example = next(iter(problem.forget.ordered(1)))
    found = influence_scores(objective, example, solver, damping, quiet)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def slope_of(weights: Tensor, a: Tensor, y: Tensor, share: Tensor, damping: float) -> Tensor:
    """The gradient of the weighted cross-entropy of W a plus damping/2 ‖W‖², over W (C, K), as a vector."""
    wrong = (a @ weights.T).softmax(1) - F.one_hot(y, len(weights))
    return ((share[:, None] * wrong).T @ a + damping * weights).flatten()


def factor_of(weights: Tensor, a: Tensor, share: Tensor, damping: float) -> Tensor:
    """The Cholesky factor of its Hessian."""
    p = (a @ weights.T).softmax(1)
    curved = share[:, None, None] * (torch.diag_embed(p) - p[:, :, None] * p[:, None, :])
    outer = a[:, :, None] * a[:, None, :]
    hessian = torch.einsum("nce,nkl->ckel", curved, outer).reshape(weights.numel(), -1)
    return torch.linalg.cholesky(hessian + damping * torch.eye(len(hessian)).double())


def test_it_predicts_leaving_an_example_out_of_logistic_regression(digits: Dataset) -> None:
    """Trained anew to convergence without each of 60 examples; at least .99 correlated."""
    split = Split(ResidentSource(digits.train, CPU), torch.arange(1000), digits)
    held_out = Split(ResidentSource(digits.held_out, CPU), torch.arange(100), digits)
    (a, y), (b, z) = everything(split), everything(held_out)
    share, damping = torch.full((1000,), 1e-3, dtype=torch.float64), 0.03

    def descend(start: Tensor, share: Tensor, factor: Tensor | None = None) -> Tensor:
        """Newton's method, with a new Hessian each step unless its factor is given."""
        for _ in range(200):
            slope = slope_of(start, a, y, share, damping)
            if slope.norm() < 1e-11:
                return start
            root = factor_of(start, a, share, damping) if factor is None else factor
            start = start - torch.cholesky_solve(slope[:, None], root).view_as(start)
        raise AssertionError("no convergence")

    best = descend(torch.zeros(10, 64, dtype=torch.float64), share)
    losses = F.cross_entropy(b @ best.T, z, reduction="none")
    model = LinearModel(64, 10, bias=False)
    write_weights(model, best.flatten())
    objective, factor = Objective(model, split), factor_of(best, a, share, damping)

    left_out = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:60]
    without = [
        descend(best, share.where(torch.arange(1000) != i, 0), factor) for i in left_out.tolist()
    ]
    for place in (int(losses.argmax()), 0, 43):
        example = held_out.take(torch.tensor([place]))
        found = influence_scores(objective, example, EXACT, damping, quiet)[left_out]
        truth = torch.stack([F.cross_entropy(b[place] @ w.T, z[place]) for w in without])
        truth -= losses[place]
        assert np.corrcoef(found, truth)[0, 1] >= 0.99
        assert (found - truth).norm() < 0.3 * truth.norm()  # in size too, not in order alone


class DoubleCNN(SmallCNN):
    """In float64, of images in float32."""

    def logits(self, x: Tensor) -> Tensor:
        return super().logits(x.double())


@pytest.fixture
def network(bench: Workbench) -> Objective:
    """The trained network on 12 digits in float64."""
    model = DoubleCNN(1, 10).double()
    model.load_state_dict(bench.artifact(ORIGINAL).state)
    split = bench.retain.subset(12, torch.Generator().manual_seed(0))
    with torch.no_grad():  # less sure of itself, hence curved
        model.head.weight.mul_(0.2)
    return Objective(model.eval(), split, batch_size=5)


def jacobian(objective: Objective) -> Tensor:
    """The derivatives (N, C, P) of each logit, one backward pass each."""
    images, _ = everything_of(objective)
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(logit, trainable(objective.model), retain_graph=True)])
        for logit in objective.model(images).flatten()
    ]  # fmt: skip
    return torch.stack(rows).view(len(images), -1, len(rows[0]))


def everything_of(objective: Objective) -> tuple[Tensor, Tensor]:
    """All images and labels, in one batch."""
    return next(iter(objective.split.ordered(len(objective.split))))


def test_the_products_of_a_network_are_those_of_its_dense_matrices(network: Objective) -> None:
    x, y = everything_of(network)
    j, p = jacobian(network), network.model(x).detach().softmax(1)
    curved = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    vector = torch.randn(j.shape[2], generator=torch.Generator().manual_seed(0)).double()
    expected = torch.einsum("ncp,nce,ne->p", j, curved, j @ vector) / len(x)
    torch.testing.assert_close(network.multiply(vector), expected)
    root = network.loss_hessian_root(network.model(x).detach(), y)
    torch.testing.assert_close(root @ root.mT, curved)
    slopes = torch.einsum("nc,ncp->np", p - F.one_hot(y, 10), j)
    torch.testing.assert_close(network.dot_gradients(vector), slopes @ vector)
    torch.testing.assert_close(network.gradient(x, y), slopes.mean(0))


def test_the_eigenvalues_of_ekfac_are_the_curvature_along_its_basis(network: Objective) -> None:
    x, y = everything_of(network)
    root = network.loss_hessian_root(network.model(x).detach(), y)
    rows = torch.einsum("nck,ncp->nkp", root, jacobian(network)).flatten(0, 1)
    layers = matrix_layers(network.model)
    assert [name for layer in layers for name in layer.names] == [
        "features.0.weight", "features.3.weight", "features.7.weight", "head.weight", "head.bias",
    ]  # fmt: skip
    bases = find_bases(network, layers, quiet)
    found = find_eigenvalues(network, bases, quiet)
    weights = [network.parts(row) for row in rows]
    for layer, (left, right) in bases.items():
        torch.testing.assert_close(left @ left.T, torch.eye(len(left)).double())
        turned = torch.stack([left.T @ layer.join(row) @ right for row in weights])
        torch.testing.assert_close(found[layer], turned.square().sum(0) / len(x))
        cut = layer.cut(layer.join(network.weights()))
        assert all(torch.equal(cut[name], network.weights()[name]) for name in layer.names)
    norm = "features.1.weight"
    expected = torch.stack([row[norm] for row in weights]).square().sum(0) / len(x)
    torch.testing.assert_close(find_diagonal(network, [norm], quiet)[norm], expected)


def test_ekfac_is_exact_for_one_example_of_a_linear_classifier() -> None:
    """The curvature of its cross-entropy is (diag p − p pᵀ) ⊗ a aᵀ: one Kronecker product."""
    problem, damping = linear_problem(retain=1), 0.03
    objective = Objective(problem.model, problem.retain)
    target = torch.randn(12, generator=torch.Generator().manual_seed(0)).double()
    matrix = torch.stack([objective.multiply(row) for row in torch.eye(12).double()])
    expected = torch.linalg.solve(matrix + damping * torch.eye(12).double(), target)
    found = EKFAC().solve(objective, target, damping, quiet)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


def test_lissa_comes_close_to_conjugate_gradients_on_random_batches() -> None:
    problem, damping = linear_problem(retain=60), 1.0
    objective = Objective(problem.model, problem.retain)
    target = objective.gradient(*next(iter(problem.forget.ordered(1))))
    exact = EXACT.solve(objective, target, damping, quiet)
    found = LiSSA(steps=1000, batch_size=10).solve(objective, target, damping, quiet)
    assert (found - exact).norm() < 0.05 * exact.norm()


def test_lissa_doubles_a_scale_at_which_it_diverges() -> None:
    problem, damping = linear_problem(), 2.0
    objective = Objective(problem.model, problem.retain)
    target = torch.ones_like(flat(problem.model))
    exact = EXACT.solve(objective, target, damping, quiet)
    found = LiSSA(steps=600, batch_size=12, scale=0.1).solve(objective, target, damping, quiet)
    torch.testing.assert_close(found, exact, atol=1e-6, rtol=0)


def test_the_solvers_agree_on_the_trained_network(bench: Workbench, digits: Dataset) -> None:
    """At a damping near the curvature; docs/influence.md says how they part below it."""
    model, _ = bench.model(bench.artifact(ORIGINAL))
    part = bench.retain.subset(200, torch.Generator().manual_seed(0))
    held_out = Split(ResidentSource(digits.held_out, CPU), torch.arange(100), digits)
    objective, example = training_objective(model, part), held_out.take(torch.tensor([43]))
    solvers = {
        "cg": ConjugateGradients(), "ekfac": EKFAC(), "lissa": LiSSA(steps=100, batch_size=50),
    }  # fmt: skip
    assert set(solvers) == set(SOLVERS)
    found = {n: influence_scores(objective, example, s, 1.0, quiet) for n, s in solvers.items()}
    assert spearmanr(found["cg"], found["lissa"])[0] > 0.95
    assert spearmanr(found["cg"], found["ekfac"])[0] > 0.8


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_family_has_what_it_takes(name: str, bench: Workbench) -> None:
    """Forward and backward mode; the product is symmetric, and no weight is moved."""
    cls, _ = model_class(name)
    model = cls(3, 4, **({"width": 0.2} if name in ("resnet9", "airbench94") else {}))
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, 32, 32, generator=rng)
    model.initialise(images, rng)
    before = flat(model)
    objective = training_objective(model, bench.retain)
    u, v = (torch.randn(before.shape, generator=rng) for _ in range(2))
    batch = [(images, torch.tensor([0, 1, 3]))]
    one, other = u @ objective.multiply(v, batch), v @ objective.multiply(u, batch)
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(one.abs()))
    assert v @ objective.multiply(v, batch) > 0
    assert torch.equal(flat(model), before)


def test_the_training_s_label_smoothing_counts(bench: Workbench) -> None:
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    plain, smooth = (cross_entropies(logits, labels, smoothing=s) for s in (0.0, 0.2))
    torch.testing.assert_close(smooth - plain, torch.tensor([0.2]))  # a tenth of the gap of 2
    resnet = model_class("resnet9")[0](3, 4, width=0.2)
    objective = training_objective(resnet, bench.retain)
    expected = cross_entropies(logits, labels, resnet.recipe.label_smoothing)
    torch.testing.assert_close(objective.loss(logits, labels), expected)
