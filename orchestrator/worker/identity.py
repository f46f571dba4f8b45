"""The columns that identify the trial of a row, and the machine that ran it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.provenance import code_version, read_host, read_versions

if TYPE_CHECKING:
    from orchestrator.worker.settings import WorkerSettings
    from tasks.workbench import Workbench

from orchestrator.results.rows import Row, params_json, trial_key

SHARED = (
    "task_key", "task_seed", "model", "recipe", "data", "dtype", "original_key", "retrained_key", "forget_count",
    "forget_mask", "forget_classes",
)  # fmt: skip


def shared_columns(retrained: Row) -> Row:
    """Return the columns that all trials of a sweep share, from the row of the retrained model.

    The driver needs them for a trial that failed before any worker ran it.
    """
    known = {name: retrained[name] for name in SHARED}
    return {**known, "code_version": code_version(), "versions": read_versions()}


def proposed_identity(settings: WorkerSettings, task_key: str, trial: Mapping[str, Any]) -> Row:
    """Return the columns that a proposed trial determines, independent of its machine."""
    unlearner, params, seed = trial["unlearner"], trial["params"], trial["seed"]
    return {
        "sweep": settings.sweep,
        "confirms": settings.confirms,
        "proposed_by": trial.get("proposed_by"),
        "trial_id": trial["trial_id"],
        "role": "trial",
        "references": settings.references,
        "task": settings.task.name,
        "task_key": task_key,
        "unlearner": unlearner,
        "params": params_json(params),
        "seed": seed,
        "trial_key": trial_key(task_key, unlearner, params, seed),
    }


def collect_provenance(bench: Workbench, role: str = "trial") -> Row:
    """Return the columns that the task, the code and the machine determine."""
    import torch

    from tasks.compute.timed_training import device_name
    from tasks.forget_sets.description import count_classes, hash_mask
    from tasks.roles import ORIGINAL, RETRAINED

    task = bench.task
    return {
        "role": role,
        "task": task.name,
        "model": task.model,
        "recipe": task.recipe_settings or None,
        "loader": bench.loader,
        "device": device_name(bench.device),
        "dtype": bench.dtype,
        "threads": torch.get_num_threads(),
        "host": read_host(),
        "task_seed": task.seed,
        "data": bench.dataset.fingerprint,
        "task_key": bench.task_key(),
        "forget_count": len(bench.forget),
        "forget_mask": hash_mask(bench.choice.mask),
        "forget_classes": json.dumps(count_classes(bench.trained_on, bench.choice.mask)),
        "original_key": bench.key(ORIGINAL),
        "retrained_key": bench.key(RETRAINED),
        "code_version": code_version(),
        "versions": read_versions(),
    }
