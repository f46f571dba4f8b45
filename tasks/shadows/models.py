"""The models that attacks are read from: each is an artifact of the cache, trained once for all methods."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import torch

from tasks.artifacts import Artifact
from tasks.compute.timed_training import ELSEWHERE, Progress, silent
from tasks.roles import REPEAT, SHADOW
from tasks.shadows.design import ShadowDesign, draw_design
from tasks.task import content_key

if TYPE_CHECKING:
    from tasks.workbench import Workbench


def make_design(bench: Workbench, models: int) -> ShadowDesign:
    """Draw the design of a task. Its positions are those of `bench.trained_before`."""
    return draw_design(len(bench.trained_before), models, bench.task.seed)


def find_key(bench: Workbench, role: str, models: int) -> str:
    """Return the artifact key of a shadow model, which all `models` decide, or of a repeat.

    Neither reads the original's weights: a task that is given them shares both with one that trains them.
    """
    original = bench.training_key()
    if role.startswith(REPEAT):
        return content_key(role=role, original=original)
    number, design = _number(role), make_design(bench, models)
    about = {"targets": design.targets.tolist(), "roles": design.roles[number].tolist()}
    return content_key(role=role, original=original, **about)


def is_stored(bench: Workbench, role: str, models: int) -> bool:
    """Tell whether the model is trained already, and its weights are kept."""
    return bench.cache.load(find_key(bench, role, models)) is not None


def train(bench: Workbench, role: str, models: int, progress: Progress = silent) -> Artifact:
    """Return a shadow model or a repeat from the cache, or train and store it."""
    split = bench.trained_before
    if role.startswith(SHADOW):
        kept = make_design(bench, models).list_trained(_number(role))
        split = split.at(torch.from_numpy(kept))
    return bench.cache.get(
        find_key(bench, role, models),
        lambda is_over: bench.train(role, split, is_over, progress=progress),
        on_wait=lambda: progress(f"{role} model ({ELSEWHERE})", 0, 0, 0.0),
    )


def drop_weights(bench: Workbench, roles: Collection[str], models: int) -> int:
    """Delete the weights of these models from the cache; return how many there were. What they said is kept."""
    return sum(bench.cache.drop(find_key(bench, role, models)) for role in roles)


def _number(role: str) -> int:
    return int(role.removeprefix(SHADOW))
