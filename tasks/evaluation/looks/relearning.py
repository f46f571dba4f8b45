"""How fast does forgotten knowledge come back? A model that only hides it relearns faster than a retrain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.looks.images import read_batch, share_right
from tasks.evaluation.metric import metric
from tasks.evaluation.outputs import Evaluation

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from tasks.datasets.splits import Split
    from tasks.evaluation.looks.inside import Inside
    from tasks.models.network import Network

EPOCHS = 5
MOST = 5_000
"""Images that an epoch visits, and on which is judged."""
SHARE = 0.1
"""Share of the forget set that is given back."""
SLOWER = 0.1
"""The attacker's learning rate, as a share of that of the training."""
RATE, MOMENTUM, BATCH, CAP = 1e-3, 0.9, 64, 300
"""How relearning steps are counted: SGD on the forget set, up to so many steps."""
JUDGED = 500
TARGET = 0.95
"""Share of the original's accuracy on the forget set at which it counts as relearned."""
OFFSET = 0.01
"""Added to both counts of steps, so that the ratio is finite."""


@metric(half="none", best=0.0, unit="difference", needs="model")
def relearn_gap_retain(evaluation: Evaluation) -> float | None:
    """Measure how much more of the forget set comes back by training on retained images alone.

    The largest difference, over five epochs, of its accuracy on the forget set from the references' mean.
    Range [−1, 1], ideal 0; below it, the model resists more than a retrain. Needs references. Source:
    Siddiqui et al., 2025.
    """
    return _gap(evaluation, "relearn_retain", 0.0)


@metric(half="none", best=0.0, unit="difference", needs="model")
def relearn_gap_tenth(evaluation: Evaluation) -> float | None:
    """Measure relearn_gap_retain with a tenth of the forget set given back, on the rest of it."""
    return _gap(evaluation, "relearn_tenth", SHARE)


@metric(half="none", best=1.0, unit="ratio", needs="model")
def ain(evaluation: Evaluation) -> float | None:
    """Divide the steps to relearn the forget set by those that the references need: the anamnesis index.

    Up to 95 % of the original's accuracy on it, at most 300 steps. Range [0, ∞), ideal 1; below it the
    knowledge is still there, above it the model is worse off than a retrain. Null where a reference needs
    no step. Needs references. Source: Chundawat et al., 2023; Tarun et al., 2023.
    """
    inside = evaluation.inside
    if inside is None or not inside.others:
        return None
    x, y = read_batch(_some(inside.forget, JUDGED))
    goal = TARGET * inside.see_original("forget_accuracy", lambda model: share_right(model, x, y))

    def steps(model: Network) -> int:
        return count_steps(inside.copy(model), inside.forget, (x, y), goal)

    theirs = inside.see_references("relearn_steps", steps)
    if not all(theirs):
        return None
    return (steps(inside.model) + OFFSET) / (float(np.mean(theirs)) + OFFSET)


def count_steps(model: Network, split: Split, judged: tuple[Tensor, Tensor], goal: float) -> int:
    """Count the steps of SGD on `split` until the accuracy on `judged` is `goal`; `model` is changed."""
    import torch

    from tasks.compute.draws import OwnDraws

    rng, done = torch.Generator().manual_seed(0), 0
    if share_right(model, *judged) >= goal:
        return 0
    with OwnDraws(rng, split.device).use():
        while True:
            for _ in _steps(model, split, RATE, BATCH, rng):
                done += 1
                if done >= CAP or share_right(model, *judged) >= goal:
                    return done


def relearn(
    model: Network, split: Split, judged: tuple[Tensor, Tensor], lr: float, share: float
) -> np.ndarray:
    """Train `model` for EPOCHS on a share of `split` each; gives the accuracy on `judged` after each."""
    import torch

    from tasks.compute.draws import OwnDraws

    rng, found = torch.Generator().manual_seed(0), []
    with OwnDraws(rng, split.device).use():
        for _ in range(EPOCHS):
            for _ in _steps(model, split, lr, model.recipe.batch_size, rng, share):
                pass
            found.append(share_right(model, *judged))
    return np.array(found)


def _gap(evaluation: Evaluation, name: str, given: float) -> float | None:
    import torch

    inside = evaluation.inside
    if inside is None or not inside.others:
        return None
    order = torch.randperm(len(inside.forget), generator=torch.Generator().manual_seed(0))
    back = order[: round(given * len(order))]
    split = inside.retain.joined(inside.forget.at(back)) if given else inside.retain
    judged = read_batch(inside.forget.at(order[len(back) :][:MOST]))

    def curve(model: Network) -> np.ndarray:
        return _relearn_copy(inside, model, split, judged)

    theirs = np.mean(inside.see_references(name, curve), axis=0)
    return float((curve(inside.model) - theirs).max())


def _relearn_copy(
    inside: Inside, model: Network, split: Split, judged: tuple[Tensor, Tensor]
) -> np.ndarray:
    lr = SLOWER * model.recipe.lr
    return relearn(inside.copy(model), split, judged, lr, min(1.0, MOST / len(split)))


def _some(split: Split, count: int) -> Split:
    import torch

    return split.subset(count, torch.Generator().manual_seed(0))


def _steps(
    model: Network, split: Split, lr: float, batch: int, rng: Generator, share: float = 1.0
) -> Iterator[None]:
    """Descend the cross-entropy by SGD with momentum; yields after each step."""
    import torch

    from tasks.compute.sgd import SGD

    optimizer = SGD(model.parameters(), lr=lr, momentum=MOMENTUM)
    for x, y in split.batches(batch, rng, share=share):
        model.train()
        with torch.enable_grad():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        yield
