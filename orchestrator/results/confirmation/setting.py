"""A method with its hyper-parameters, by which the repeats of a point are found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import InvalidValue
from tasks.search_space import EPOCHS, Parameter, parameters
from tasks.unlearners import loaded_unlearner_class

Declared = Callable[[str | None], Mapping[str, Parameter]]


@dataclass(frozen=True)
class Setting:
    """What a point shares with its repeats: the method, and all hyper-parameters but the epochs."""

    unlearner: str | None
    whole: Mapping[str, Any]
    """The hyper-parameters. One that a row left out has its declared default."""
    stored: Mapping[str, Any] = field(compare=False)
    """Those that the row has, and all options: a row that leaves out an option has it off."""

    @classmethod
    def of(cls, row: Mapping[str, Any], declared_by: Declared) -> Setting:
        """Read the setting of a row; `declared_by` gives what a method declares: see `list_declared`."""
        declared = declared_by(row["unlearner"])
        defaults = {name: p.default for name, p in declared.items()}
        off = {name: p.default for name, p in declared.items() if p.option is not None}
        params = json.loads(row["params"] or "{}")
        whole, stored = ({**known, **params} for known in (defaults, off))
        for found in (whole, stored):
            found.pop(EPOCHS, None)
        return cls(row["unlearner"], whole, stored)

    def extends(self, other: Setting) -> bool:
        """Tell whether this is the other with hyper-parameters beside it that the method did not have yet.

        What was their default then may be another by now, so that the two are not equal.
        """
        same = self.unlearner == other.unlearner
        return same and other.stored.items() <= self.stored.items()


def find_repeated(points: Sequence[Setting], own: Setting) -> list[int]:
    """Return the places of the points that a trial repeats: those of one trial, which differ in their epochs."""
    same = [place for place, point in enumerate(points) if point == own]
    return same or [place for place, point in enumerate(points) if own.extends(point)]


def list_declared(unlearner: str | None) -> Mapping[str, Parameter]:
    """List what a method declares; nothing if it is not installed here, which takes a second to find out."""
    try:
        return parameters(loaded_unlearner_class(unlearner or ""))
    except InvalidValue:
        return {}
