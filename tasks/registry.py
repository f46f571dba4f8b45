"""Registries are dict literals from a name to `module:attribute`: greppable, ordered, lazy.

What a name stands for is imported when it is used, so that a trial pays only for what it needs. A package of
the user's own adds names by entry points, and `module:attribute` needs no name at all.
"""

from __future__ import annotations

import difflib
import functools
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from tasks.errors import InvalidValue

REFERENCE = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
"""`module:attribute`. It holds no hyphen and no second colon, hence what follows it can be told from it."""


def one_of(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return `name` itself; raises InvalidValue, which lists the valid names, if it is not one of them."""
    names = list(valid)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise InvalidValue(f"unknown {kind} {name!r}{hint}; valid: {', '.join(names) or 'none'}")


class Registry(Mapping[str, str]):
    """The choices of one kind. As a mapping it holds what this package registers, in order."""

    def __init__(self, kind: str, group: str, entries: dict[str, str]) -> None:
        """`kind` is what messages call a choice, `group` where entry points add further ones."""
        self.kind, self.group = kind, group
        self._entries = entries

    def __getitem__(self, name: str) -> str:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        """List every name: this package's, then those of installed plug-ins."""
        return list({**self._entries, **self._plugins()})

    def resolve(self, name: str) -> Any:
        """Import what `name` stands for: a registered name, an entry point, or `module:attribute`.

        Raises InvalidValue for an unknown name or a plug-in that cannot be imported.
        """
        reference = self._reference(name)
        try:
            return pkgutil.resolve_name(reference)
        except Exception as error:  # a module may raise anything while it is imported
            reason = " ".join(str(error).split())
            raise InvalidValue(f"cannot import {self.kind} {name!r}: {reason}") from error

    def split(self, spec: str) -> tuple[str, str]:
        """Split `NAME:ARGUMENT`, where NAME may be `module:attribute`; without argument it is empty.

        A registered name wins: `resnet9:wide` is a name with an argument. The name is not looked up.
        """
        name, _, argument = spec.partition(":")
        found = None if name in self._entries else REFERENCE.match(spec)
        if found and is_installed(found[0]) and name not in self._plugins():
            name, argument = found[0], spec[found.end() :].removeprefix(":")
        return name, argument

    def has(self, name: str) -> bool:
        """Tell whether `name` is one of `names`, or `module:attribute` of a module that is installed."""
        if name in self._entries:
            return True
        return is_installed(name) if REFERENCE.fullmatch(name) else name in self._plugins()

    def _reference(self, name: str) -> str:
        if name in self._entries:
            return self._entries[name]
        if REFERENCE.fullmatch(name):
            return name
        plugins = self._plugins()
        return plugins.get(name) or self._entries[one_of(self.kind, name, self.names())]

    def _plugins(self) -> dict[str, str]:
        """The entry points of the group. They come last everywhere: listing them takes milliseconds."""
        return _list_entry_points(self.group, tuple(sys.path))


@functools.cache
def _list_entry_points(group: str, path: tuple[str, ...]) -> dict[str, str]:
    """List what is installed below the folders of `path`, which is Python's; what is installed later is not found."""
    return {point.name: point.value for point in entry_points(group=group)}


def is_installed(reference: str) -> bool:
    """Tell whether there is a package that `module:attribute` may be in; nothing is imported."""
    try:
        return find_spec(reference.partition(":")[0].partition(".")[0]) is not None
    except ValueError:  # a module that is loaded and has no specification, such as __main__
        return True


def see_current_folder() -> None:
    """Let modules of the current folder be imported, as `python -m` does and an installed command does not.

    They come last, so that none of them takes the place of an installed package. Python's safe-path mode is kept.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:  # it was deleted
        return
    if not sys.flags.safe_path and not {here, ""} & set(sys.path):
        sys.path.append(here)


ANYWHERE = re.compile(rf"(?<![\w.])(?=({REFERENCE.pattern}))")
"""Every place where `module:attribute` may begin. A task or an option may hold one inside a longer text."""


def list_code(*values: Any) -> list[str]:
    """List each `module:attribute` of an installed module in these texts, lists and mappings."""
    texts = (text for value in values for text in _list_texts(value))
    found = (match[1] for text in texts for match in ANYWHERE.finditer(text))
    return [name for name in dict.fromkeys(found) if is_installed(name)]


def _list_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _list_texts(key)
            yield from _list_texts(inner)
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _list_texts(inner)
