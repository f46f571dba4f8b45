"""The recommended point of a sweep, with the commands that run it again and export its weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.config.spelling import spell_command
from orchestrator.results.recommendation import RULE
from tasks.errors import InvalidValue
from tasks.search_space import EPOCHS, parameters
from tasks.unlearners import loaded_unlearner_class

Row = dict[str, Any]
NEEDED = ("task", "model", "task_seed", "seed", "threads", "references")
"""Columns of a row that its command is made of, beside those that identify it."""


def list_recommendation(config: SweepConfig, row: Row) -> Iterator[str]:
    """Yield what to tell of the recommended point: what it is, by which rule, and the two commands."""
    yield f"* recommended: {row['trial_id']} at epoch {row['epoch']}, {RULE}"
    yield f"  run it again:        {spell_run(config, row)}"
    yield f"  export its weights:  {spell_export(config)}"


def spell_run(config: SweepConfig, row: Row, program: str | None = None) -> str:
    """Spell the command that runs the trial of a row again, up to the row's epoch; see `spell_command`."""
    words = ["run", "--task", row["task"], "--unlearner", row["unlearner"]]
    for name, value in _changed(row).items():
        words += ["--set", f"{name}={value}"]
    words += ["--model", row["model"], "--seed", row["task_seed"], "--trial-seed", row["seed"]]
    words += ["--cpus-per-trial", row["threads"], "--references", row["references"] or 0]
    words += ["--calibration"] if config.calibration else []
    for setting in ("recipe", "original", "data_dir", "label_column", "image_size"):
        if getattr(config, setting) is not None:
            words += [f"--{setting.replace('_', '-')}", getattr(config, setting)]
    return spell_command([*words, "--storage", config.storage], program)


def spell_export(config: SweepConfig, program: str | None = None) -> str:
    """Spell the command that writes the weights of the recommended point to a file."""
    words = ["export", config.name, "--storage", config.storage, "--output", "model.safetensors"]
    return spell_command(words, program)


def _changed(row: Row) -> Row:
    """Return the hyper-parameters that differ from the method's defaults, the epochs as at this point."""
    params = json.loads(row["params"] or "{}")
    if EPOCHS in params:
        params[EPOCHS] = row["epoch"]
    try:
        declared = parameters(loaded_unlearner_class(row["unlearner"] or ""))
    except InvalidValue:  # the method is not installed here
        return params
    return {n: v for n, v in params.items() if n not in declared or declared[n].default != v}
