"""One image and two groups of images that belong to it, as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.results.figures.plane import FAINT, INK
from orchestrator.results.figures.values import escape_math

COLUMNS = 5
CELL, HEIGHT = 1.25, 1.65
"""Inches of an image with its caption."""
TOP, BOTTOM = 1.15, 0.5
"""Inches of the margins."""


@dataclass(frozen=True, eq=False)
class Tile:
    """An image uint8 (C, H, W), with a word above and lines below, in a colour of their own."""

    image: np.ndarray
    above: str
    below: str
    ink: str = INK


@dataclass(frozen=True, eq=False)
class Group:
    """Tiles under a heading, all in one colour."""

    heading: str
    colour: str
    tiles: Sequence[Tile]


def render_gallery(title: str, told: str, question: Tile, groups: tuple[Group, Group]) -> bytes:
    """Draw one large image, and the two groups beside it; return a PNG."""
    rows = max(2, *(-(-len(group.tiles) // COLUMNS) for group in groups))
    high = HEIGHT * rows + TOP + BOTTOM
    figure = Figure(figsize=(CELL * (2 * COLUMNS + 3.4), high), dpi=120, facecolor="white")
    grid = figure.add_gridspec(
        1,
        3,
        width_ratios=(2.2, COLUMNS, COLUMNS),
        left=0.012,
        right=0.988,
        top=1 - TOP / high,
        bottom=BOTTOM / high,
        wspace=0.1,
    )
    large = figure.add_subplot(grid[0])
    _show(large, question, INK, size=10)
    large.set_anchor("N")
    for number, group in enumerate(groups):
        cells = grid[number + 1].subgridspec(rows, COLUMNS, wspace=0.12, hspace=0.6)
        for place, tile in enumerate(group.tiles):
            _show(figure.add_subplot(cells[divmod(place, COLUMNS)]), tile, group.colour, size=8.5)
        x, y = grid[number + 1].get_position(figure).x0, 1 - 0.85 / high
        figure.text(
            x, y, escape_math(group.heading), fontsize=12, fontweight="bold", color=group.colour
        )
    figure.text(
        0.012, 1 - 0.3 / high, escape_math(title), fontsize=14, fontweight="bold", color=INK
    )
    figure.text(0.012, 1 - 0.53 / high, escape_math(told), fontsize=9.5, color=FAINT)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _show(axes: Axes, tile: Tile, colour: str, size: float) -> None:
    """Show an image without interpolation, in a frame, between its words."""
    channels = len(tile.image)
    pixels = tile.image[0] if channels == 1 else tile.image[:3].transpose(1, 2, 0)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(escape_math(tile.above), fontsize=8, color=FAINT, pad=3)
    axes.set_xlabel(escape_math(tile.below), fontsize=size, color=tile.ink, labelpad=3)
    for side in axes.spines.values():
        side.set(color=colour, linewidth=1.5)
