"""What a worker is given at once: one trial, or several short ones, which it runs one after another.

A call is the first trial, which holds the others. Its answer is what the first trial gave, which holds what they gave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Part = Mapping[str, Any]
THEN = "then"
"""Where the first part holds the others."""


class Rest(tuple[Part, ...]):
    """The parts after the first. Nobody changes them."""

    def __repr__(self) -> str:
        """Return a short text: Tune puts it into the name of each of its trials."""
        return f"{len(self)} more"

    def __deepcopy__(self, memo: dict[int, Any]) -> Rest:
        """Return itself: Tune copies what it is given."""
        return self


def fold(parts: Sequence[Part]) -> dict[str, Any]:
    """Make one call, or one answer, of its parts; there is at least one."""
    first, *others = parts
    return {**first, THEN: Rest(others)} if others else dict(first)


def unfold(call: Part) -> list[dict[str, Any]]:
    """Return the parts of a call or of an answer, in order."""
    first = {name: value for name, value in call.items() if name != THEN}
    return [first, *map(dict, call.get(THEN, ()))]
