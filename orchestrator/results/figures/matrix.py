"""The accuracy matrix of a sequence as a picture: unlearned models, and those retrained on the rest."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.results.figures.plane import FAINT, INK
from orchestrator.results.figures.values import escape_math
from orchestrator.results.sequences.matrix import ForgettingMatrix
from orchestrator.results.sequences.report import list_numbers

CELL = 1.05, 0.5
"""Inches of a cell."""
LEFT, GAP, RIGHT, TOP, BOTTOM = 2.0, 0.45, 0.3, 1.75, 1.6
"""Inches of the margins, and between the two matrices."""
DARK = 0.55
"""Accuracy above which the number in a cell is white."""


def render_matrix(found: ForgettingMatrix) -> bytes:
    """Draw the accuracies after each request, those of retrained models beside them; return a PNG."""
    parts = [("unlearned", found.model)]
    if found.expected is not None:
        parts.append(
            (f"retrained on the rest, mean of {found.references.shape[1]}", found.expected)
        )
    lines, groups = found.model.shape
    wide = LEFT + len(parts) * groups * CELL[0] + (len(parts) - 1) * GAP + RIGHT
    high = TOP + lines * CELL[1] + BOTTOM
    figure = Figure(figsize=(wide, high), dpi=130, facecolor="white")
    for number, (title, values) in enumerate(parts):
        left = LEFT + number * (groups * CELL[0] + GAP)
        size = left / wide, BOTTOM / high, groups * CELL[0] / wide, lines * CELL[1] / high
        axes = figure.add_axes(size)
        _draw(axes, found, values)
        axes.set_title(title, fontsize=11, fontweight="bold", color=INK, pad=44, loc="left")
        if number:
            axes.set_yticks([])
    _write(figure, found, wide, high)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _draw(axes: Axes, found: ForgettingMatrix, values: np.ndarray) -> None:
    """Draw one matrix; a frame marks the group that a line's request forgets."""
    lines, groups = values.shape
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for t, j in np.ndindex(lines, groups):
        colour = "white" if values[t, j] > DARK else INK
        axes.text(j, t, f"{values[t, j]:.3f}", ha="center", va="center", fontsize=9, color=colour)
    frame: dict[str, Any] = {"fill": False, "edgecolor": "#D1495B", "linewidth": 2}
    for j in range(found.count):
        axes.add_patch(_rectangle(j, frame, j + 1))
    names = ["original", *(f"{t}  {spec}" for t, spec in enumerate(found.requests, 1))]
    axes.set_yticks(range(lines), [escape_math(_short(name)) for name in names], fontsize=9)
    axes.set_xticks(
        range(groups),
        [escape_math(_short(name)).replace(", ", "\n") for name in found.groups],
        fontsize=9,
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0, colors=INK)
    axes.axvline(found.count - 0.5, color="white", linewidth=4)
    for side in axes.spines.values():
        side.set_visible(False)


def _rectangle(column: int, frame: dict[str, Any], line: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, line - 0.46), 0.94, 0.92, **frame)


def _write(figure: Figure, found: ForgettingMatrix, wide: float, high: float) -> None:
    """Write the title above, and the numbers of the whole sequence below."""
    x = 0.2 / wide
    title = f"{found.unlearner}: accuracy after each request"
    figure.text(x, 1 - 0.35 / high, escape_math(title), fontsize=14, fontweight="bold", color=INK)
    told = f"{found.task}. A column is a group of images; a red frame: it is forgotten here."
    figure.text(x, 1 - 0.62 / high, escape_math(told), fontsize=9.5, color=FAINT)
    for number, (name, value) in enumerate(list_numbers(found)):
        y = (BOTTOM - 0.35 - 0.24 * number) / high
        figure.text(x, y, escape_math(f"{name}:  {value}"), fontsize=9.5, color=INK)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
