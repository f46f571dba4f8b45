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


def influence(
    *,
    task: Annotated[str, Parameter(help="Task, such as digits-class:1.")],
    test_example: int,
    solver: str = "cg",
    damping: float = 0.01,
    curvature_examples: int = 5000,
    top: int = 10,
    output: Path = Path("influence.png"),
    scores: Path | None = None,
    data_dir: Path | None = None,
    options: Annotated[DataOptions, Parameter(name="*", negative=())] = AS_THEY_ARE,
    model: str = "auto",
    seed: int = 0,
    device: str = "auto",
    cpus_per_trial: int = 1,
    storage: Annotated[
        str, Parameter(help="Storage root: trained models.")
    ] = SweepConfig().storage,
) -> int:
    """List the training examples with the highest and the lowest influence on a held-out example.

    They come as a table and as a picture. The original model is trained if it is not cached.

    Parameters
    ----------
    test_example
        Index of the held-out example, from 0.
    solver
        cg, lissa or ekfac.
    damping
        Added to the curvature. More of it makes scores that are less exact and less noisy.
    curvature_examples
        Training examples on which the curvature is estimated.
    top
        Examples shown at each end of the ranking.
    output
        File of the picture; its name ends in .png.
    scores
        File for the influence of every training example; its name ends in .parquet.
    data_dir
        Folder with the data set.
    model
        Model family: NAME or NAME:WIDTH. auto chooses by device.
    seed
        Seed of the splits, the forget set and the original model.
    device
        auto, cpu or cuda.
    cpus_per_trial
        Torch threads, as in a sweep: on a CPU they decide the trained models to the last bit.
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
