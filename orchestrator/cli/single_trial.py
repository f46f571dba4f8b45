"""`orchestrator run`: one trial in this process, with all its metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orchestrator.config import SweepConfig
from tasks.datasets.options import AS_THEY_ARE, DataOptions

Loader = Annotated[str, Parameter(help="auto, ffcv, mapped or resident.")]
Device = Annotated[str, Parameter(help="auto, cpu or cuda.")]
Calibration = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Keep a tenth of the held-out data for methods, as the sweep did. A method that needs it turns it on.",
    ),
]
Threads = Annotated[
    int,
    Parameter(
        help="Torch threads, as in a sweep: on a CPU they decide the trained models to the last bit."
    ),
]
References = Annotated[
    int,
    Parameter(
        help="How many models retrained without the forget set the trial is held against: 0, or 2 and more."
    ),
]
Metrics = Annotated[
    str,
    Parameter(
        help="Metrics on request, of the last point: names, all, all,-NAME, shadows. See `orchestrator list metrics`."
    ),
]
Shadows = Annotated[
    int,
    Parameter(
        help="Shadow models that are trained for the metrics that need them: a multiple of 4."
    ),
]
STORAGE = SweepConfig().storage
Storage = Annotated[str, Parameter(help="Storage root: results and trained models.")]


def run(
    *,
    task: Annotated[str, Parameter(help="Task, such as digits-class:1.")],
    unlearner: str,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    data_dir: Path | None = None,
    options: Annotated[DataOptions, Parameter(name="*", negative=())] = AS_THEY_ARE,
    model: str = "auto",
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
    data_dir
        Folder with the data set.
    model
        Model family: NAME or NAME:WIDTH. auto chooses by device.
    seed
        Seed of the splits, the forget set and the baselines: a row's task_seed.
    trial_seed
        Seed of the trial: a row's seed [default: the task's].
    """
    from orchestrator.cli.reports import print_points, print_training
    from orchestrator.sweeps.single_trial import SingleTrial, parse_assignments

    trial = SingleTrial(
        task=task,
        unlearner=unlearner,
        params=parse_assignments(unlearner, set_ or []),
        data_dir=data_dir,
        options=options,
        model=model,
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
    print_points(trial.run(print, print_training))
    return 0
