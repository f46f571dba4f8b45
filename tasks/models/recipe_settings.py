"""Settings of a training that differ from the family's recipe: NAME=VALUE,… of the fields of Recipe."""

from __future__ import annotations

import dataclasses
from typing import Any

from tasks.errors import InvalidValue
from tasks.recipe import Recipe
from tasks.registry import one_of
from tasks.search_space import parameters

SHARES = ("momentum", "warmup", "label_smoothing")
"""Settings below 1."""
ABOVE_ZERO = ("lr", "bias_factor")
"""Settings with which nothing is learned at 0."""


def read_settings(text: str) -> dict[str, Any]:
    """Read NAME=VALUE,… ; raises InvalidValue, which names the valid settings, or the type and range of one."""
    known, found = parameters(Recipe), dict[str, Any]()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InvalidValue(
                f"--recipe {part}: not of the form NAME=VALUE; names: {', '.join(known)}"
            )
        one_of("setting of --recipe", name, known)
        if name in found:
            raise InvalidValue(f"--recipe names {name} twice")
        found[name] = known[name].parse(value)
        if name in SHARES and found[name] >= 1:
            raise InvalidValue(f"--recipe {part} is out of range: below 1")
        if name in ABOVE_ZERO and found[name] <= 0:
            raise InvalidValue(f"--recipe {part} is out of range: above 0")
    return found


def spell_settings(text: str) -> str:
    """Spell settings in one way, by name; raises InvalidValue as `read_settings` does."""
    found = read_settings(text)
    return ",".join(f"{name}={_spell(found[name])}" for name in sorted(found))


def change_recipe(recipe: Recipe, settings: str) -> Recipe:
    """Return a recipe with settings NAME=VALUE,… in place of its own; raises InvalidValue."""
    return dataclasses.replace(recipe, **read_settings(settings))


def list_settings(recipe: Recipe) -> str:
    """Spell every setting of a recipe, in the order of their declaration."""
    return ", ".join(f"{n}={_spell(v)}" for n, v in dataclasses.asdict(recipe).items())


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
