"""Shadow models of a method: trained in one balanced design, unlearned, and kept as what they say.

Each model is an artifact of the cache, and its signals are stored: an interrupted study goes on where it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from tasks.compute.timed_training import Progress, silent
from tasks.evaluation.outputs import outputs
from tasks.evaluation.shadows.incidence import OUT, UNLEARN, assign_roles
from tasks.evaluation.shadows.outputs import RoleSignals, Shadows
from tasks.problem import Problem
from tasks.provenance import source_version
from tasks.roles import ORIGINAL, repeat_role, shadow_role
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
MOST_TARGETS = 2_000
TARGET_SHARE = 0.1
"""Target examples, at most such a share of the training split: what all models lack of it is little."""


def make_shadows(
    bench: Workbench, unlearner: Unlearner, seed: int, models: int = MODELS, progress: Progress = silent
) -> Shadows:  # fmt: skip
    """Make the shadow models of a method; nothing is trained before a metric reads them.

    `check_study` comes first.
    """
    count = 0 if bench.references is None else len(bench.references) // 2
    return Shadows(
        load_roles=lambda: load_roles(bench, unlearner, seed, models, progress),
        load_repeats=lambda: load_repeats(bench, unlearner, seed, count, progress),
    )


def load_roles(
    bench: Workbench, unlearner: Unlearner, seed: int, models: int, progress: Progress
) -> RoleSignals:
    """Train `models` shadow models without their OUT examples, unlearn their UNLEARN examples, read all."""
    everything = bench.retain.joined(bench.forget)
    count = min(MOST_TARGETS, int(TARGET_SHARE * len(everything)))
    drawn = np.random.default_rng(bench.task.seed).permutation(len(everything))
    targets, rest = np.sort(drawn[:count]), drawn[count:]
    roles = assign_roles(models, count, bench.task.seed)
    judged = everything.at(torch.from_numpy(targets))
    found = []
    for number in range(models):
        kept = np.concatenate([rest, targets[roles[number] != OUT]])
        gone = targets[roles[number] == UNLEARN]
        role = shadow_role(number)
        about = {"targets": targets.tolist(), "roles": roles[number].tolist()}
        trained = everything.at(torch.from_numpy(np.sort(kept)))
        retain = everything.at(torch.from_numpy(np.sort(np.setdiff1d(kept, gone))))
        forget = everything.at(torch.from_numpy(gone))
        artifact = _train(bench, role, trained, about, progress)
        found.append(_signals(bench, unlearner, seed, artifact, (retain, forget, judged)))
    before, after, correct = (np.stack(part) for part in zip(*found, strict=True))
    return RoleSignals(before, after, roles, correct.astype(bool))


def load_repeats(
    bench: Workbench, unlearner: Unlearner, seed: int, count: int, progress: Progress
) -> np.ndarray:
    """Train `count` originals with other seeds, let each unlearn the task's forget set: φ (count, forget)."""
    everything = bench.retain.joined(bench.forget)
    found = []
    for number in range(count):
        artifact = _train(bench, repeat_role(number), everything, {}, progress)
        splits = bench.retain, bench.forget, bench.forget
        found.append(_signals(bench, unlearner, seed + number, artifact, splits)[1])
    return np.stack(found)


def _train(
    bench: Workbench, role: str, split: Split, about: dict[str, object], progress: Progress
) -> Artifact:
    key = content_key(role=role, original=bench.key(ORIGINAL), **about)
    return bench.cache.get(
        key, lambda is_over: bench.train(role, split, is_over, progress=progress)
    )


def _signals(
    bench: Workbench, unlearner: Unlearner, seed: int, artifact: Artifact, splits: tuple[Split, Split, Split]
) -> np.ndarray:  # fmt: skip
    """Give φ before and after unlearning, and whether it was right before: float64 (3, N). Stored once."""
    retain, forget, judged = splits
    source = source_version(*files_of(type(unlearner), Unlearner))
    key = content_key(
        role="signals", model=artifact.key, source=source, method=type(unlearner).__qualname__,
        params=unlearner.params, seed=seed, forget=forget.indices.tolist(),
    )  # fmt: skip
    storage, name = open_root(bench.cache.root), f"{key}.signals"
    stored = storage.read(name)
    if stored is not None:
        values: np.ndarray = np.load(io.BytesIO(stored), allow_pickle=False)
        return values
    problem = _make_problem(bench, unlearner, artifact, retain, forget, seed)
    first = outputs(problem.model, judged)
    for _ in begin_unlearning(unlearner, problem):
        pass
    found = np.stack([first.phi, outputs(problem.model, judged).phi, first.correct])
    buffer = io.BytesIO()
    np.save(buffer, found, allow_pickle=False)
    storage.write(name, buffer.getvalue())
    return found


def _make_problem(
    bench: Workbench, unlearner: Unlearner, artifact: Artifact, retain: Split, forget: Split, seed: int
) -> Problem:  # fmt: skip
    def copy() -> Network:
        return bench.model(artifact)[0]

    present = set(retain.labels().tolist())
    make_blank: Callable[[], Network] = bench.fresh_model
    return Problem(
        model=copy(),
        retain=retain,
        forget=forget,
        forgotten_classes=tuple(sorted({*forget.labels().tolist()} - present)),
        rng=bench.generator(seed),
        make_original=copy,
        make_blank=make_blank,
        calibration=bench._calibration_for(unlearner),
    )
