"""Registries are dict literals from a name to `module:attribute`: greppable, ordered, lazy.

What a name stands for is imported when it is used, so that a trial pays only for what it needs.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from tasks.errors import InvalidValue


def one_of(kind: str, name: str, valid: Iterable[str]) -> str:
    """`name` itself; raises InvalidValue, which lists the valid names, if it is not one of them."""
    names = list(valid)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise InvalidValue(f"unknown {kind} {name!r}{hint}; valid: {', '.join(names)}")


def resolve(kind: str, name: str, registry: dict[str, str], group: str | None = None) -> Any:
    """What `name` stands for in `registry`, among the entry points of `group`, or as `module:attribute`.

    Raises InvalidValue for an unknown name or a plug-in that cannot be imported.
    """
    reference = _reference(kind, name, registry, group)
    try:
        return pkgutil.resolve_name(reference)
    except Exception as error:  # a module may raise anything while it is imported
        raise InvalidValue(f"cannot import {kind} {name!r}: {error}") from error


def _reference(kind: str, name: str, registry: dict[str, str], group: str | None) -> str:
    """`module:attribute` for a name. Entry points come last: listing them takes milliseconds."""
    if name in registry:
        return registry[name]
    if group and ":" in name:
        return name
    plugins = {p.name: p.value for p in entry_points(group=group)} if group else {}
    return plugins.get(name) or registry[one_of(kind, name, {**plugins, **registry})]
