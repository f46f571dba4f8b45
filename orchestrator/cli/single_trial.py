"""`orchestrator run`: one trial in this process."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from orchestrator.cli.flags import (
    STORAGE,
    TASK_HELP,
    Calibration,
    DataDir,
    Device,
    Loader,
    Metrics,
    Model,
    Original,
    References,
    Shadows,
    Storage,
    Threads,
    TrainedBy,
)
from tasks.datasets.options import AS_THEY_ARE, DataOptions


def run(
    *,
    task: Annotated[str, Parameter(help=TASK_HELP)],
    unlearner: str,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    data_dir: DataDir = None,
    options: Annotated[DataOptions, Parameter(name="*", negative=())] = AS_THEY_ARE,
    model: Model = "auto",
    recipe: TrainedBy = None,
    original: Original = None,
    seed: int = 0,
    trial_seed: int | None = None,
    loader: Loader = "auto",
    device: Device = "auto",
    cpus_per_trial: Threads = 1,
    references: References = 2,
    calibration: Calibration = False,
    metrics: Metrics = "",
    shadows: Shadows = 16,
    storage: Storage = STORAGE,
) -> int:
    """Run one trial in this process, without Ray or Optuna, and print all its metrics. It stores no rows.

    Parameters
    ----------
    unlearner
        Method; see `orchestrator list unlearners`.
    set_
        NAME=VALUE of a hyper-parameter; may be repeated.
    seed
        Seed of the splits, the forget set and the baselines: a row's task_seed.
    trial_seed
        Seed of the trial: a row's seed [default: the task's].
    """
    from orchestrator.cli.reports import run_and_report
    from orchestrator.sweeps.single_trial import SingleTrial, parse_assignments

    trial = SingleTrial(
        task=task,
        unlearner=unlearner,
        params=parse_assignments(unlearner, set_ or []),
        data_dir=data_dir,
        options=options,
        model=model,
        recipe=recipe,
        original=original,
        seed=seed,
        trial_seed=seed if trial_seed is None else trial_seed,
        loader=loader,
        device=device,
        storage=storage,
        cpus=cpus_per_trial,
        references=references,
        calibration=calibration,
        metrics=metrics,
        shadows=shadows,
    )
    run_and_report(trial)
    return 0
