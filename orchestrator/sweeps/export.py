"""The weights of one point of a sweep as a file: its trial runs again, and must give the row's metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import SweepConfig
from orchestrator.results.columns import MEASURED
from orchestrator.results.objectives import objective_named
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import read_results
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.single_trial import SingleTrial
from orchestrator.sweeps.stored.named_code import list_code_of_row, refuse_unnamed
from tasks.errors import InvalidValue, SurroundingsError
from tasks.registry import one_of
from tasks.task import Task

if TYPE_CHECKING:
    from tasks.trial import Point

Row = dict[str, Any]
SUFFIX = ".safetensors"
TOLERANCE = 0.01
"""Largest difference of a fraction between the row and the trial run again; other hardware rounds differently."""
CARD = (
    "sweep", "trial_id", "trial_key", "task", "task_key", "task_seed", "unlearner", "seed", "epoch", "model", "dtype",
    "data", "original_key", "retrained_key", "references", "threads", "device", "loader", "code_version", "versions",
    "relative_cost", "unlearn_seconds",
)  # fmt: skip
"""Columns of the row that the card repeats."""


@dataclass(frozen=True)
class Exported:
    """The files that were written."""

    weights: Path
    card: Path
    trial_id: str
    largest_difference: float
    """Between a metric of the row and of the trial run again."""


def export_trial(
    name: str,
    trial_id: str | None,
    storage: str,
    output: Path,
    *,
    code: tuple[str, ...] = (),
    say: Callable[[str], None],
    training: Callable[[str, float, int, float], None],
) -> Exported:
    """Run a trial of sweep `name` again and write its weights, with a card of the same name ending in .json.

    Without `trial_id` it is the recommended point. Code that the row names is imported only if it is in
    `code`. Raises InvalidValue for a sweep, trial or file name that will not do, before anything runs, and
    SurroundingsError if the metrics are not the row's.
    """
    output = check_output("--output", output, SUFFIX)
    config = read_config(name, storage)
    row = choose_row(config, trial_id)
    refuse_unnamed(name, list_code_of_row(row), code)
    trial = make_trial(config, row)
    point = next(p for p in trial.points(say, training) if p.epoch == row["epoch"])
    difference = check_metrics(row, point)
    card = {**_make_card(config, row, point, difference), **_describe_images(trial)}
    described = output.with_suffix(".json")
    _write(output, described, point, card)
    return Exported(output, described, row["trial_id"], difference)


def check_output(flag: str, path: Path, *suffixes: str) -> Path:
    """Return a file to be written as an absolute path; raise InvalidValue if it cannot be one."""
    path = Path(os.path.abspath(os.path.expanduser(path)))
    if path.suffix not in suffixes:
        raise InvalidValue(f"{flag} {path.name}: the name must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise InvalidValue(f"{flag}: {path.parent} is not a folder")
    return path


def choose_row(config: SweepConfig, trial_id: str | None) -> Row:
    """Return the last row of a trial, or without a name the recommended one; raise InvalidValue if there is none."""
    rows = read_results(config.storage, config.name).to_pylist()
    trials = sorted((r for r in rows if r["role"] == "trial"), key=lambda r: r["epoch"])
    last = {r["trial_id"]: r for r in trials if r["state"] != "failed"}
    if not last:
        raise InvalidValue(f"no trial of sweep {config.name!r} has weights")
    if trial_id is None:
        row = recommend_point(rows, objective_named(config.aim))
        if row is None:
            limits = f" that meets {', '.join(config.require)}" if config.require else " yet"
            raise InvalidValue(f"sweep {config.name!r} has no front{limits}: name a trial")
        return row
    failed = next((r for r in trials if r["trial_id"] == trial_id and trial_id not in last), None)
    if failed is not None:
        raise InvalidValue(f"trial {trial_id} failed, it has no weights: {failed['error']}")
    return last[one_of("trial", trial_id, last)]


def make_trial(config: SweepConfig, row: Row) -> SingleTrial:
    """Return the trial of a row, to be run again; raise InvalidValue if the row lacks what that takes."""
    lacking = [n for n in ("task", "unlearner", "params", "model", "task_seed") if row[n] is None]
    if lacking:
        raise InvalidValue(f"the row of {row['trial_id']} lacks {', '.join(lacking)}")
    return SingleTrial(
        task=row["task"],
        unlearner=row["unlearner"],
        params=json.loads(row["params"]),
        data_dir=config.data_dir,
        options=config.data_options,
        model=row["model"],
        recipe=config.recipe,
        original=config.original,
        original_hash=config.original_hash,
        seed=row["task_seed"],
        trial_seed=row["seed"],
        loader=config.loader,
        device="cpu" if row["device"] == "cpu" else "auto",
        storage=config.storage,
        calibration=config.calibration,
        cpus=row["threads"] or 1,
        references=row["references"] or 0,
    )


def check_metrics(row: Row, point: Point) -> float:
    """Return the largest difference of a fraction; raise SurroundingsError if it is above TOLERANCE."""
    fractions = [c.name for c in MEASURED if c.unit == "fraction"]
    both = {n: (row[n], point.metrics.get(n)) for n in fractions}
    apart = {n: abs(a - b) for n, (a, b) in both.items() if a is not None and b is not None}
    name = max(apart, key=lambda n: apart[n])
    if apart[name] > TOLERANCE:
        raise SurroundingsError(
            f"run again, trial {row['trial_id']} has {name} = {both[name][1]:.4f}, and {both[name][0]:.4f} in its row: "
            "other code, packages or hardware; nothing was written"
        )
    return apart[name]


def _make_card(config: SweepConfig, row: Row, point: Point, difference: float) -> dict[str, Any]:
    assert point.model is not None
    known = {column: row[column] for column in CARD}
    known["versions"] = json.loads(row["versions"] or "{}")
    return {
        **known,
        "params": json.loads(row["params"]),
        "metrics": point.metrics,
        "metrics_of_the_row": {c.name: row[c.name] for c in MEASURED},
        "largest_difference": difference,
        "objective": config.objective,
        "parameters": sum(p.numel() for p in point.model.parameters()),
    }


def _describe_images(trial: SingleTrial) -> dict[str, Any]:
    """Return what the model takes: images (channels, height, width), pixels in [0, 1] less mean, over std."""
    data = Task.named(trial.task, trial.model, trial.seed).load(trial.data_dir, trial.options)
    return {
        "classes": list(data.classes),
        "image_shape": list(data.train.images.shape[1:]),
        "mean": list(data.mean),
        "std": list(data.std),
    }


def _write(output: Path, described: Path, point: Point, card: Mapping[str, Any]) -> None:
    """Write both files under other names, then give them theirs: an interrupted export leaves none of them half."""
    from safetensors.torch import save_file

    assert point.model is not None
    text = json.dumps(card, indent=1, default=str)
    weights, other = (path.with_name(f".{path.name}.{os.getpid()}") for path in (output, described))
    for partial in (weights, other):
        partial.unlink(missing_ok=True)  # a link is not followed
    tensors = {n: t.detach().cpu().contiguous() for n, t in point.model.state_dict().items()}
    try:
        save_file(tensors, weights, metadata={"card": text})
        other.write_text(text)
        weights.replace(output)
        other.replace(described)
    finally:
        weights.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
