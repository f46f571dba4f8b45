"""How the use of another package's private names is written down, and held against what is installed."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

TRACING = "_ray_trace_ctx"
"""A parameter that Ray adds to the methods of every class that it makes an actor, in this process too."""
LINE = re.compile(r"(?P<name>[\w.]+)(\((?P<takes>[\w, ]*)\))?(: (?P<mentions>[\w, ]+))?")


@dataclass(frozen=True)
class Use:
    """A private name, and what is relied on of it.

    `name` is MODULE:ATTRIBUTE, with further dots for what is inside of a class. `takes` are the names of all
    parameters, where they matter. `mentions` are words that its code must use: attributes, functions, keys.
    """

    name: str
    takes: tuple[str, ...] | None = None
    mentions: tuple[str, ...] = ()

    def problem(self) -> str | None:
        """Say in one clause what differs in the installed package; None if nothing does."""
        try:
            found = resolve(self.name)
        except (ImportError, AttributeError):
            return f"{self.name} is missing"
        if self.takes is not None:
            takes = tuple(p for p in inspect.signature(found).parameters if p != TRACING)
            if takes != self.takes:
                return f"{self.name} takes {_listed(takes)}, not {_listed(self.takes)}"
        missing = set(self.mentions) - set(_words(inspect.unwrap(found).__code__))
        if missing:
            return f"{self.name} no longer uses {_listed(sorted(missing))}"
        return None


def uses(text: str) -> tuple[Use, ...]:
    """Read a list of uses.

    A line `MODULE:CLASS` or `MODULE:` heads the indented lines `name(all, its, parameters): words, of, its, code`
    below it, of which either part may be left out. Raises ValueError for a line of another form.
    """
    found, owner = [], ""
    for line in filter(str.strip, text.splitlines()):
        if not line.startswith(" "):
            owner = line
            continue
        parts = LINE.fullmatch(line.strip())
        if parts is None:
            raise ValueError(f"not a use: {line}")
        separator = "" if owner.endswith(":") else "."
        takes = None if parts["takes"] is None else _parted(parts["takes"])
        mentions = _parted(parts["mentions"] or "")
        found.append(Use(f"{owner}{separator}{parts['name']}", takes, mentions))
    return tuple(found)


def problems(required: Iterable[Use]) -> list[str]:
    """Say what differs in the installed package: a clause for each use that no longer fits."""
    return [problem for use in required if (problem := use.problem())]


def resolve(name: str) -> Any:
    """Return the object MODULE:ATTRIBUTE, or the module of `MODULE:`.

    Raises ImportError or AttributeError if there is none.
    """
    module, _, attribute = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found


@contextmanager
def replaced(name: str, replacement: Any) -> Iterator[None]:
    """Within the block, the object MODULE:ATTRIBUTE is another one."""
    module, _, path = name.partition(":")
    outer, _, attribute = path.rpartition(".")
    owner, original = resolve(f"{module}:{outer}"), resolve(name)
    setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        setattr(owner, attribute, original)


def _words(code: CodeType) -> Iterator[Any]:
    """Every name and constant in a function's code, also in the functions inside of it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _words(constant)
        else:  # a string, or the keys of a dictionary
            yield from (constant if isinstance(constant, tuple) else (constant,))


def _parted(words: str) -> tuple[str, ...]:
    return tuple(filter(None, words.split(", ")))


def _listed(words: Iterable[str]) -> str:
    return f"({', '.join(words)})"
