"""`orchestrator influence`: which training examples the loss of a held-out example rests on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orchestrator.sweeps.influence import InfluenceQuery
from tasks.errors import InvalidValue

EVERY_SECONDS = 2.0
"""Least time between two lines of progress."""


def influence(
    query: Annotated[InfluenceQuery, Parameter(name="*")],
    *,
    top: int = 10,
    output: Path = Path("influence.png"),
    scores: Path | None = None,
) -> int:
    """List the training examples with the highest and the lowest influence on a held-out example.

    They come as a table and as a picture. The original model is trained if it is not cached.

    Parameters
    ----------
    top
        Examples shown at each end of the ranking.
    output
        File of the picture; its name ends in .png.
    scores
        File for the influence of every training example; it ends in .parquet.
    """
    from orchestrator.cli.reports import print_training
    from orchestrator.sweeps.export import check_output

    if top < 1:
        raise InvalidValue(f"--top {top} is out of range: at least 1")
    output = check_output("--output", output, ".png")
    stored = None if scores is None else check_output("--scores", scores, ".parquet")
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
