"""The loss histograms of a sweep's recommended point: rows hold no losses, so its trial runs once more.

What was measured lies in the sweep's folder, and is shown as long as the sweep recommends that point.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.sweeps.export import check_metrics, choose_row, make_trial
from orchestrator.sweeps.folder import open_sweeps
from orchestrator.sweeps.stored.named_code import list_code_of_row, refuse_unnamed

FILE = "losses.json"
Losses = dict[str, Any]


def measure_losses(
    config: SweepConfig,
    code: tuple[str, ...],
    say: Callable[[str], None],
    training: Callable[[str, float, int, float], None],
) -> Losses:
    """Measure the losses of the original, the references and the recommended point, and store their histograms.

    They are read instead if they are stored. Raises InvalidValue for a sweep without a recommended point and
    for code that nobody named, SurroundingsError if the trial, run again, is another one.
    """
    row = choose_row(config, None)
    known = read_losses(config)
    if known is not None and is_of(known, row):
        return known
    refuse_unnamed(str(config.name), list_code_of_row(row), code)
    say(
        f"losses: trial {row['trial_id']} runs again, about {row['unlearn_seconds'] or 0:.0f} s and its loading"
    )
    trial = make_trial(config, row)
    point = next(p for p in trial.points(say, training) if p.epoch == row["epoch"])
    check_metrics(row, point)
    assert point.model is not None
    from tasks.evaluation.loss_histogram import EDGES, describe_losses, describe_references
    from tasks.references import use_references
    from tasks.roles import ORIGINAL, RETRAINED

    task, dataset = trial.load_task(say, calibration=config.calibration)
    bench = trial.open_bench(task.whole(), dataset, training)
    use_references(bench, trial.references, training)
    before = bench.outputs(bench.model(bench.artifact(ORIGINAL))[0])
    models = {ORIGINAL: describe_losses(before)}
    if bench.references is not None:
        models[RETRAINED] = describe_references(before, bench.references)
    models["recommended"] = describe_losses(bench.outputs(point.model))
    found = {
        "trial_id": row["trial_id"], "epoch": row["epoch"], "edges": EDGES.tolist(), "models": models
    }  # fmt: skip
    open_sweeps(config.storage).write(f"{config.name}/{FILE}", json.dumps(found).encode())
    return found


def read_losses(config: SweepConfig) -> Losses | None:
    """Read the stored histograms; None if there are none, or if the file is damaged."""
    try:
        found = json.loads(open_sweeps(config.storage).read(f"{config.name}/{FILE}") or b"null")
    except ValueError:
        return None
    whole = isinstance(found, dict) and {"trial_id", "epoch", "edges", "models"} <= found.keys()
    return found if whole else None


def is_of(losses: Losses, row: dict[str, Any]) -> bool:
    """Tell whether the histograms are of this point."""
    return (losses["trial_id"], losses["epoch"]) == (row["trial_id"], row["epoch"])
