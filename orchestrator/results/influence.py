"""The influence of every training example on one held-out example: a table, and its ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from orchestrator.results.figures.gallery import Tile

HELPFUL, HARMFUL = "#1B7F5C", "#B4442F"
"""Colours of the two ends of the ranking."""
COLUMNS = {
    "train_index": "index of the example in the data set's training split",
    "class": "name of its class",
    "influence": "predicted rise of the held-out example's loss if this example is left out",
    "in_forget_set": "whether the task forgets it",
}
"""The columns of the table, each with its help text."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Influence:
    """What the loss of one held-out example rests on. In a notebook it shows itself as a picture.

    An influence above zero is helpful: without this training example the loss would be higher.
    """

    task: str
    model: str
    solver: str
    damping: float
    seconds: float
    """Wall seconds of the solver and the scores; training is left out."""
    test_example: int
    """Index into the data set's held-out examples."""
    image: np.ndarray
    """Its pixels, uint8 (C, H, W)."""
    label: int
    predicted: int
    loss: float
    classes: tuple[str, ...]
    images: np.ndarray
    """Those of the training split, uint8 (N, C, H, W)."""
    labels: np.ndarray
    """Their labels, int64 (N,), as they were trained on."""
    scores: np.ndarray
    """The influence (N,) of each training example."""
    forgotten: np.ndarray
    """Whether each is in the forget set, bool (N,)."""

    def helpful(self, count: int = 10) -> np.ndarray:
        """Return the indices of up to `count` examples with the highest influence above zero, highest first."""
        order = np.argsort(-self.scores, kind="stable")[:count]
        return order[self.scores[order] > 0]

    def harmful(self, count: int = 10) -> np.ndarray:
        """Return the indices of up to `count` examples with the lowest influence below zero, lowest first."""
        order = np.argsort(self.scores, kind="stable")[:count]
        return order[self.scores[order] < 0]

    @property
    def forget_total(self) -> float:
        """The sum over the forget set: to first order, the rise of the loss without all of it."""
        return float(self.scores[self.forgotten].sum())

    @property
    def table(self) -> pa.Table:
        """A row for each training example, in index order; each column has a help text in its metadata."""
        values = [
            np.arange(len(self.scores), dtype=np.int64),
            [self.classes[label] for label in self.labels],
            self.scores.astype(np.float64),
            self.forgotten,
        ]
        arrays = [pa.array(v) for v in values]
        fields = [
            pa.field(name, array.type, metadata={"help": text})
            for (name, text), array in zip(COLUMNS.items(), arrays, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def format_lines(self, count: int = 10) -> Iterator[str]:
        """Yield the lines of a report: the held-out example, the ends of the ranking, the forget set's total."""
        yield (
            f"held-out example {self.test_example}: class {self.classes[self.label]}, predicted "
            f"{self.classes[self.predicted]}, loss {self.loss:.4g}"
        )
        yield "influence: how much its loss would rise, to first order, if a training example were left out"
        for title, chosen in (("helpful", self.helpful(count)), ("harmful", self.harmful(count))):
            yield f"most {title}:"
            yield f"{'rank':>6}  {'index':>7}  {'influence':>10}  {'forget set':10}  class"
            for rank, i in enumerate(chosen):
                there = "yes" if self.forgotten[i] else "no"
                name = self.classes[self.labels[i]]
                yield f"{rank + 1:>6}  {i:>7}  {self.scores[i]:>+10.3g}  {there:10}  {name}"
        yield (
            f"sum over the forget set ({int(self.forgotten.sum())} examples): {self.forget_total:+.3g}; over all: "
            f"{float(self.scores.sum()):+.3g}"
        )

    def draw(self, path: Path, count: int = 10) -> None:
        """Write the held-out example and both ends of the ranking as PNG; raise OSError if that fails."""
        path.write_bytes(self.render_png(count))

    def render_png(self, count: int = 10) -> bytes:
        """Return that picture as a PNG."""
        from orchestrator.results.figures.gallery import Group, Tile, render_gallery
        from orchestrator.results.figures.plane import INK

        below = f"class {self.classes[self.label]}\npredicted {self.classes[self.predicted]}\nloss {self.loss:.3g}"
        helpful, harmful = (
            [self._tile(index) for index in chosen]
            for chosen in (self.helpful(count), self.harmful(count))
        )
        return render_gallery(
            f"Influence on held-out example {self.test_example}: {self.task}",
            f"{self.solver}, damping {self.damping:g}. Below each image: its class, and how much the loss would "
            "rise without it. * is in the forget set.",
            Tile(self.image, "", below, INK if self.predicted == self.label else HARMFUL),
            (Group("most helpful", HELPFUL, helpful), Group("most harmful", HARMFUL, harmful)),
        )

    def _tile(self, index: int) -> Tile:
        """Return an image with its index, class and influence; a star marks the forget set."""
        from orchestrator.results.figures.gallery import Tile

        star = " *" if self.forgotten[index] else ""
        below = f"{self.classes[self.labels[index]]}\n{self.scores[index]:+.2g}"
        return Tile(self.images[index], f"{index}{star}", below)

    def _repr_png_(self) -> bytes:
        return self.render_png()
