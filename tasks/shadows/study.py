"""Shadow models of a method: trained in one balanced design, unlearned, and kept as what they say.

Each model is an artifact of the cache, and its signals are stored: an interrupted study goes on where it was,
and a model whose signals are stored for a method is not needed any more.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from tasks.compute.timed_training import Progress, silent
from tasks.evaluation.metric import Needs
from tasks.evaluation.outputs import outputs
from tasks.evaluation.shadows.outputs import RoleSignals, Shadows
from tasks.problem import Problem
from tasks.provenance import source_version
from tasks.roles import repeat_role, shadow_role
from tasks.shadows.limits import can_study
from tasks.shadows.models import find_key, make_design, train
from tasks.storage.roots import open_root
from tasks.task import content_key, files_of
from tasks.unlearners.base import Unlearner, begin_unlearning

if TYPE_CHECKING:
    from tasks.artifacts import Artifact
    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.workbench import Workbench

MODELS = 16
"""Shadow models: enough to rank methods by U-LiRA."""


def make_shadows(
    bench: Workbench, unlearner: Unlearner, seed: int, models: int = MODELS, progress: Progress = silent
) -> Shadows:  # fmt: skip
    """Make the shadow models of a method, those that can judge it; none is trained before a metric reads them."""
    references = 0 if bench.references is None else len(bench.references)

    def roles() -> RoleSignals:
        return load_roles(bench, unlearner, seed, models, progress)

    def repeats() -> np.ndarray:
        return load_repeats(bench, unlearner, seed, references // 2, progress)

    def can(need: Needs) -> bool:
        return can_study(unlearner, {need}, models, references)

    return Shadows(roles if can("shadows") else None, repeats if can("repeats") else None)


def load_roles(
    bench: Workbench, unlearner: Unlearner, seed: int, models: int, progress: Progress
) -> RoleSignals:
    """Train `models` shadow models without their OUT examples, unlearn their UNLEARN examples, read all."""
    design, everything = make_design(bench, models), bench.trained_before
    targets = everything.at(torch.from_numpy(design.targets))
    population = bench.validation_images
    found = []
    for number in range(models):
        gone = design.list_unlearned(number)
        kept = np.setdiff1d(design.list_trained(number), gone)
        retain, forget = (everything.at(torch.from_numpy(part)) for part in (kept, gone))
        study = _Study(bench, unlearner, seed, models, progress)
        found.append(study.read(shadow_role(number), retain, forget, (targets, population)))
    before, after, correct = np.stack(found, 1)
    n = len(design.targets)
    seen = correct[:, :n].astype(bool)
    return RoleSignals(before[:, :n], after[:, :n], design.roles, seen, after[:, n:])


def load_repeats(
    bench: Workbench, unlearner: Unlearner, seed: int, count: int, progress: Progress
) -> np.ndarray:
    """Train `count` originals with other seeds, let each unlearn the task's forget set: φ (count, forget)."""
    found = []
    for number in range(count):
        study = _Study(bench, unlearner, seed + number, 0, progress)
        role = repeat_role(number)
        found.append(study.read(role, bench.retain, bench.forget, (bench.forget,))[1])
    return np.stack(found)


class _Study:
    """One method with its settings, which is to be run on one of the models."""

    def __init__(
        self, bench: Workbench, unlearner: Unlearner, seed: int, models: int, progress: Progress
    ) -> None:
        self._bench, self._unlearner, self._seed = bench, unlearner, seed
        self._models, self._progress = models, progress

    def read(
        self, role: str, retain: Split, forget: Split, judged: tuple[Split, ...]
    ) -> np.ndarray:
        """Read φ before and after unlearning, and whether it was right before: float64 (3, N). Stored once.

        N are the examples of all splits that are `judged`.
        """
        bench, method = self._bench, self._unlearner
        key = content_key(
            role="signals", model=find_key(bench, role, self._models),
            source=source_version(*files_of(type(method), Unlearner)),
            method=type(method).__qualname__, params=method.params, seed=self._seed,
            forget=forget.indices.tolist(), judged=[split.indices.tolist() for split in judged],
        )  # fmt: skip
        storage, name = open_root(bench.cache.root), f"{key}.signals"
        stored = storage.read(name)
        if stored is not None:
            values: np.ndarray = np.load(io.BytesIO(stored), allow_pickle=False)
            return values
        artifact = train(bench, role, self._models, self._progress)
        found = self._unlearn(self._make_problem(artifact, retain, forget), judged)
        buffer = io.BytesIO()
        np.save(buffer, found, allow_pickle=False)
        storage.write(name, buffer.getvalue())
        return found

    def _unlearn(self, problem: Problem, judged: tuple[Split, ...]) -> np.ndarray:
        first = [outputs(problem.model, split) for split in judged]
        for _ in begin_unlearning(self._unlearner, problem):
            pass
        last = [outputs(problem.model, split) for split in judged]
        phi = [np.concatenate([seen.phi for seen in part]) for part in (first, last)]
        return np.stack([*phi, np.concatenate([seen.correct for seen in first])])

    def _make_problem(self, artifact: Artifact, retain: Split, forget: Split) -> Problem:
        bench = self._bench

        def copy() -> Network:
            return bench.model(artifact)[0]

        present = set(retain.labels().tolist())
        make_blank: Callable[[], Network] = bench.fresh_model
        return Problem(
            model=copy(),
            retain=retain,
            forget=forget,
            forgotten_classes=tuple(sorted({*forget.labels().tolist()} - present)),
            rng=bench.generator(self._seed),
            make_original=copy,
            make_blank=make_blank,
            calibration=bench._calibration_for(self._unlearner),
        )
