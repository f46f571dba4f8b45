"""`orchestrator influence`: which training examples the loss of a held-out example rests on."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orchestrator.config import SweepConfig
from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.errors import InvalidValue

EVERY_SECONDS = 2.0
"""Least time between two lines of progress."""


STORAGE = SweepConfig().storage

Task = Annotated[str, Parameter(help="Task, such as digits-class:1.")]
TestExample = Annotated[int, Parameter(help="Index of the held-out example, from 0.")]
Solver = Annotated[str, Parameter(help="cg, lissa or ekfac.")]
Damping = Annotated[
    float,
    Parameter(help="Added to the curvature. More makes scores less exact and less noisy."),
]
CurvatureExamples = Annotated[
    int, Parameter(help="Training examples on which the curvature is estimated.")
]
Top = Annotated[int, Parameter(help="Examples shown at each end of the ranking.")]
Output = Annotated[Path, Parameter(help="File of the picture; its name ends in .png.")]
Scores = Annotated[
    Path | None,
    Parameter(help="File for the influence of every training example; it ends in .parquet."),
]
DataDir = Annotated[Path | None, Parameter(help="Folder with the data set.")]
Model = Annotated[str, Parameter(help="Model family: NAME or NAME:WIDTH. auto chooses by device.")]
Seed = Annotated[int, Parameter(help="Seed of the splits, the forget set and the original model.")]
Device = Annotated[str, Parameter(help="auto, cpu or cuda.")]
Threads = Annotated[
    int,
    Parameter(
        help="Torch threads, as in a sweep: on a CPU they decide the trained models to the last bit."
    ),
]
Storage = Annotated[str, Parameter(help="Storage root: trained models.")]


def influence(
    *,
    task: Task,
    test_example: TestExample,
    solver: Solver = "cg",
    damping: Damping = 0.01,
    curvature_examples: CurvatureExamples = 5000,
    top: Top = 10,
    output: Output = Path("influence.png"),
    scores: Scores = None,
    data_dir: DataDir = None,
    options: Annotated[DataOptions, Parameter(name="*", negative=())] = AS_THEY_ARE,
    model: Model = "auto",
    seed: Seed = 0,
    device: Device = "auto",
    cpus_per_trial: Threads = 1,
    storage: Storage = STORAGE,
) -> int:
    """List the training examples with the highest and the lowest influence on a held-out example.

    They come as a table and as a picture. The original model is trained if it is not cached.
    """
    from orchestrator.cli.reports import print_training
    from orchestrator.sweeps.influence import InfluenceQuery

    if top < 1:
        raise InvalidValue(f"--top {top} is out of range: at least 1")
    output = _check_file("--output", output, ".png")
    stored = None if scores is None else _check_file("--scores", scores, ".parquet")
    query = InfluenceQuery(
        task=task,
        test_example=test_example,
        solver=solver,
        damping=damping,
        curvature_examples=curvature_examples,
        data_dir=data_dir,
        options=options,
        model=model,
        seed=seed,
        device=device,
        cpus=cpus_per_trial,
        storage=storage,
    )
    found = query.run(print, print_training, _Progress())
    for line in found.format_lines(top):
        print(line)
    found.draw(output, top)
    print(f"picture: {output}")
    if stored is not None:
        import pyarrow.parquet as pq

        pq.write_table(found.table, stored)
        print(f"all scores: {stored}")
    return 0


class _Progress:
    """Prints how far the solver is, and about how long the rest will take, every few seconds."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._printed = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._start is None:
            self._start, self._first, self._printed = now, done, now
        if now - self._printed < EVERY_SECONDS:
            return
        self._printed = now
        left = (now - self._start) / max(1, done - self._first) * (total - done)
        print(f"solving: step {done}/{total}, at most about {left:.0f} s left", flush=True)


def _check_file(flag: str, path: Path, suffix: str) -> Path:
    """Return a file to be written as an absolute path; raise InvalidValue if it cannot be one."""
    path = Path(os.path.abspath(os.path.expanduser(path)))
    if path.suffix != suffix:
        raise InvalidValue(f"{flag} {path.name}: the name must end in {suffix}")
    if not path.parent.is_dir():
        raise InvalidValue(f"{flag}: {path.parent} is not a folder")
    return path
