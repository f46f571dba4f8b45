"""From the contents of sweeps to one HTML file, which needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.reporting.page.answer import give_answer
from orchestrator.reporting.page.confirmed import make_confirmed_tables
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.hyperparameters import describe_coordinates, weigh_methods
from orchestrator.reporting.page.losses import draw_losses, hint_at_losses, list_ticks
from orchestrator.reporting.page.plot import MOST_POINTS, describe_fronts, describe_plot
from orchestrator.reporting.page.provenance import list_commands, list_facts, make_failures_table
from orchestrator.reporting.page.robustness import make_robustness_table
from orchestrator.reporting.page.tables import (
    make_comparison,
    make_front_table,
    make_methods_table,
)
from orchestrator.results.figures.points import COLOURS
from orchestrator.results.plain_text import make_plain

TEMPLATES = files("orchestrator.reporting.page") / "template"
SCRIPTS = (
    "shapes.js", "plane.js", "space.js", "parallel.js", "slices.js", "tables.js", "page.js",
)  # fmt: skip


def render_page(contents: Sequence[SweepContent], *, refresh: float | None = None) -> str:
    """Return the page. With `refresh`, an open page loads itself again every so many seconds."""
    plots = [describe_plot(content, MOST_POINTS // len(contents)) for content in contents]
    for plot, content in zip(plots, contents, strict=True):
        plot["coordinates"] = describe_coordinates(content)
    several = len(contents) > 1
    data = {
        "sweeps": plots,
        "fronts": describe_fronts(contents) if several else None,
        "refresh": refresh,
    }
    script = "".join(_read(name) for name in SCRIPTS)
    return _environment().get_template("page.html").render(
        title=", ".join(content.name for content in contents),
        sweeps=[_gather(content, whole=refresh is None) for content in contents],
        comparison=make_comparison(contents) if several else None,
        style=Markup(_read("style.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=embed_json(data),
        colours=COLOURS,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip


def embed_json(data: Any) -> Markup:
    """Return data as JSON for a script element: no text in it can end the element, or begin a comment."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _gather(content: SweepContent, *, whole: bool) -> dict[str, Any]:
    """Return what the template says of one sweep; importances, which take seconds, only of a `whole` page."""
    return {
        "name": content.name,
        "task": content.sweep.task if content.rows else content.config.task or "",
        "state": content.state,
        "answer": give_answer(content),
        "left_out": max(0, len(content.sweep.points) - MOST_POINTS),
        "front": make_front_table(content),
        "methods": make_methods_table(content),
        "confirmed": list(make_confirmed_tables(content)),
        "losses": draw_losses(content),
        "loss_ticks": list_ticks(content),
        "losses_hint": hint_at_losses(content),
        "robustness": make_robustness_table(content),
        "importances": weigh_methods(content) if whole else [],
        "failures": make_failures_table(content),
        "commands": list_commands(content),
        "facts": list_facts(content),
    }


def _environment() -> Environment:
    """Return the templates, in which all text is escaped, and what a reader would not see is spelt out."""
    return Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_make_visible,
    )


def _make_visible(value: Any) -> Any:
    return make_plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
