"""Which models a sweep would find trained, which it would have to train, and how large its sets are."""

from __future__ import annotations

import functools
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.sweeps.plan import SweepPlan
from tasks.datasets.dataset import Dataset
from tasks.models import find_recipe
from tasks.needs import NEEDS, trained_need
from tasks.unlearners.passes import Sizes

if TYPE_CHECKING:
    import numpy as np

CHOOSES = "a model has yet to choose what is forgotten"
NO_GPU = "they are trained on a GPU, and this machine has none"
GIVEN = "the original is given, and its weights have not been read"


@dataclass(frozen=True)
class FoundModels:
    """The models and needs of a sweep, and the sets that decide its costs."""

    cached: tuple[str, ...]
    """Roles of the models, and names of the needs, that are trained already."""
    missing: tuple[str, ...]
    sizes: Sizes
    retrain_seconds: float | None
    """Mean wall seconds in which the cached references were trained; None if there are none."""

    @property
    def training_cost(self) -> float:
        """What the missing ones cost, in trainings of one model."""
        needs = [name for name in self.missing if NEEDS.has(name)]
        return len(self.missing) - len(needs) + sum(trained_need(n).trainings for n in needs)


def find_models(plan: SweepPlan, dataset: Dataset) -> FoundModels | str:
    """Look up the models of a sweep under its storage root; returns why they are not known, if so.

    `dataset` is as loaded. Imports torch, and trains nothing.
    """
    import torch

    from tasks.artifacts import ArtifactCache
    from tasks.models import build_model
    from tasks.models.keys import find_model_key, spell_hardware
    from tasks.scoring.choice import read_choice

    settings, task = plan.worker_settings(dataset.fingerprint), plan.task
    mask = read_choice(task, dataset, settings.artifacts)
    device = torch.device("cuda" if plan.gpus else "cpu")
    if mask is None:
        return CHOOSES
    if plan.gpus and not torch.cuda.is_available():
        return NO_GPU
    if plan.config.original is not None and task.original is None:
        return GIVEN
    with torch.random.fork_rng(devices=()):
        blank = build_model(task.model, dataset, device, settings=task.recipe_settings)
    dtype = str(blank.compute_dtype).removeprefix("torch.")
    hardware = spell_hardware(device.type, plan.cpus)
    find = functools.partial(
        find_model_key, task, dataset, dtype=dtype, hardware=hardware, mask=mask
    )
    cache = ArtifactCache(settings.artifacts)
    found = {role: cache.load(find(role)) for role in settings.trained}
    records = [a.record for role, a in found.items() if a and role in settings.roles[1:]]
    seconds = [record.seconds for record in records if record]
    return FoundModels(
        cached=tuple(role for role, artifact in found.items() if artifact),
        missing=tuple(role for role, artifact in found.items() if not artifact),
        sizes=measure_sets(plan, dataset, mask),
        retrain_seconds=statistics.fmean(seconds) if seconds else None,
    )


def measure_sets(plan: SweepPlan, dataset: Dataset, mask: np.ndarray) -> Sizes:
    """Count the examples of a sweep's sets, of which the marked ones, boolean (N,), are forgotten."""
    task = plan.task
    step, recipe = task.find_step(dataset, mask), find_recipe(task.model, task.recipe_settings)
    held_out = task.change(dataset).held_out.labels
    counts = int(step.retain.sum()), int(step.forget.sum())
    return Sizes(*counts, recipe.epochs, len(task.cut(held_out).calibration))
