"""What runs in this process, from Python: one trial, a sequence of requests, influences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import convert_settings
from tasks.datasets.options import DataOptions

if TYPE_CHECKING:
    from orchestrator.results.influence import Influence
    from orchestrator.results.sequences.files import StoredSequence

Row = dict[str, Any]


def run_trial(
    task: str,
    unlearner: str,
    params: Mapping[str, Any] | None = None,
    *,
    data_dir: str | Path | None = None,
    label_column: str | None = None,
    image_size: int | None = None,
    model: str = "auto",
    recipe: str | None = None,
    original: str | Path | None = None,
    seed: int = 0,
    trial_seed: int | None = None,
    device: str = "auto",
    calibration: bool = False,
    metrics: str = "",
    storage: str | Path = "./results",
) -> list[Row]:
    """Run one trial in this process, without Ray or Optuna; returns a dict of metrics and costs per point.

    The trained models are kept under the storage root; no row is written. Raises InvalidValue.
    """
    from orchestrator.sweeps.single_trial import SingleTrial

    trial = SingleTrial(
        task=task,
        unlearner=unlearner,
        params=params or {},
        data_dir=Path(data_dir) if data_dir is not None else None,
        options=DataOptions(label_column, image_size),
        model=model,
        recipe=recipe,
        original=Path(original) if original is not None else None,
        seed=seed,
        trial_seed=seed if trial_seed is None else trial_seed,
        device=device,
        calibration=calibration,
        metrics=metrics,
        storage=str(storage),
    )
    return list(trial.run(lambda text: None, lambda *progress: None))


def run_sequence(
    task: str, unlearner: str, params: Mapping[str, Any] | None = None, **settings: Any
) -> StoredSequence:
    """Unlearn one request after another, as "digits-class:1;class:7" spells them; returns what they led to.

    The settings are those of `run_trial`, and `references`. The result has `rows`, a dict of metrics and costs for each
    request, and a `matrix` of accuracies; in a notebook it shows itself as a picture. It is kept under the storage
    root. Raises InvalidValue.
    """
    from orchestrator.sweeps.single_trial import SingleTrial

    given = {"trial_seed": settings.get("seed", 0), **convert_settings(settings)}
    trial = SingleTrial(task=task, unlearner=unlearner, params=params or {}, **given)
    return trial.run_sequence(lambda text: None, lambda *progress: None, lambda row: None)


def influence(
    task: str,
    test_example: int,
    *,
    solver: str = "cg",
    damping: float = 0.01,
    curvature_examples: int = 5000,
    data_dir: str | Path | None = None,
    model: str = "auto",
    recipe: str | None = None,
    original: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    storage: str | Path = "./results",
) -> Influence:
    """Compute how each training example influences the original model's loss on one held-out example.

    In a notebook the result shows itself as a picture. The original model is kept under the storage root.
    Raises InvalidValue.
    """
    from orchestrator.sweeps.influence import InfluenceQuery

    query = InfluenceQuery(
        task=task,
        test_example=test_example,
        solver=solver,
        damping=damping,
        curvature_examples=curvature_examples,
        data_dir=Path(data_dir) if data_dir is not None else None,
        model=model,
        recipe=recipe,
        original=Path(original) if original is not None else None,
        seed=seed,
        device=device,
        storage=str(storage),
    )
    return query.run(lambda text: None, lambda *progress: None, lambda *steps: None)
