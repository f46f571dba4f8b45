"""References of a task: models retrained without the forget set, trained once, and their outputs."""

from __future__ import annotations

import hashlib

import numpy as np

from tasks.compute.timed_training import Progress, silent
from tasks.evaluation.references import SPLITS, ReferenceOutputs
from tasks.evaluation.traits.verification import verify_halves
from tasks.provenance import content_key, source_version
from tasks.roles import reference_role
from tasks.storage.roots import open_root
from tasks.task import HERE
from tasks.workbench import Workbench

READ_BY = tuple(
    str(HERE / file)
    for file in (
        "evaluation/outputs.py",
        "evaluation/passes.py",
        "evaluation/traits/verification.py",
        "datasets/halves.py",
    )
)
"""The code that decides which outputs are kept: those that other code kept are other ones."""


def use_references(bench: Workbench, count: int, progress: Progress = silent) -> None:
    """Hold every model that `bench` evaluates from now on against `count` references.

    Those whose outputs are not stored are trained, or loaded, one after another.
    """
    parts = [reference_outputs(bench, number, progress) for number in range(count)]
    bench.references = ReferenceOutputs.joined(parts) if parts else None


def reference_outputs(
    bench: Workbench, number: int, progress: Progress = silent
) -> ReferenceOutputs:
    """Give the outputs of one reference, K = 1: from the storage, or from its model now."""
    storage, name = open_root(bench.cache.root), f"{outputs_key(bench, number)}.outputs"
    found = ReferenceOutputs.from_bytes(storage.read(name))
    if found is None:
        artifact = bench.artifact(reference_role(number), progress)
        model, _ = bench.model(artifact)
        seen = bench.outputs(model)
        logits = {s: getattr(seen, s).logits[None] for s in SPLITS}
        record = artifact.record
        busy = np.array([record and record.busy_seconds], dtype=float)  # None becomes nan
        areas = verify_halves(seen)[None]
        found = ReferenceOutputs(**logits, busy_seconds=busy, verification=areas)
        storage.write(name, found.to_bytes())
    return found


def outputs_key(bench: Workbench, number: int) -> str:
    """Give the content key of the stored outputs of reference `number`: of its model, and of the splits."""
    return content_key(
        role="outputs",
        model=bench.key(reference_role(number)),
        task=bench.task_key(),
        source=source_version(*READ_BY),
        **_hash_persons(bench),
    )


def _hash_persons(bench: Workbench) -> dict[str, str]:
    """Hash who is on each image; nothing if no persons are forgotten.

    The key of such a task may be that of one that forgets the same images as a class, and reads no features.
    """
    forgotten, data = bench.task.forgotten, bench.trained_on
    if not forgotten.of_persons:
        return {}
    digest = hashlib.sha256()
    for kin in map(forgotten.kin_labels, (data.train, data.held_out)):
        digest.update(b"" if kin is None else np.ascontiguousarray(kin).data)
    return {"persons": digest.hexdigest()[:16]}
