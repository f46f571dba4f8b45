"""One declaration per hyper-parameter: type, default, search domain and help, read everywhere.

    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 1e-2
    \"\"\"SGD learning rate.\"\"\"

A field without a domain is a setting: it can be set and is stored with the results, but no
sampler moves it. It may say which values are valid. An option is a setting that is off by default,
and is stored only where it is on:

    delta: Annotated[float, Setting(Float(0.0, 1.0, above=0, below=1))] = 1e-5
    sam: Annotated[float, Option(Float(0.0, 10.0))] = 0.0
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import math
import textwrap
import typing
from dataclasses import dataclass
from typing import Any

from tasks.errors import InvalidValue

EPOCHS = "epochs"
"""The hyper-parameter that says how many points an anytime trial has, where a method has it."""


@dataclass(frozen=True)
class Numbers:
    """Numbers from `low` to `high`, both included, searched on a logarithmic scale if `log`.

    Valid are the same numbers, unless one of `above`, `least`, `most` and `below` is given. Then these alone bound
    what is valid: `Float(1e-4, 1e-1, log=True, above=0)` is searched up to .1 and may be set to any positive number.
    """

    low: float
    high: float
    log: bool = False
    above: float | None = None
    """What every valid number exceeds."""
    least: float | None = None
    most: float | None = None
    below: float | None = None
    """What every valid number is less than."""

    def __contains__(self, value: object) -> bool:
        return self.is_number(value) and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        return f"{self._spell(self.low)}..{self._spell(self.high)}{' (log)' if self.log else ''}"

    def allows(self, value: object) -> bool:
        """Tell whether a value is valid, searched or not."""
        if not self.is_wider or not self.is_number(value):
            return value in self
        return (
            (self.above is None or value > self.above)  # type: ignore[operator]
            and (self.least is None or value >= self.least)  # type: ignore[operator]
            and (self.most is None or value <= self.most)  # type: ignore[operator]
            and (self.below is None or value < self.below)  # type: ignore[operator]
        )

    @property
    def is_wider(self) -> bool:
        """Whether more is valid than is searched."""
        return (self.above, self.least, self.most, self.below) != (None,) * 4

    def spell_valid(self) -> str:
        """Spell what is valid, as in "above 0, at most 1"."""
        bounds = {
            "above": self.above,
            "at least": self.least,
            "at most": self.most,
            "below": self.below,
        }
        given = [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
        return ", ".join(given) or f"in {self}"

    @staticmethod
    def is_number(value: object) -> bool:
        """Tell whether a value is of the kind that this domain holds."""
        return isinstance(value, int | float)

    @staticmethod
    def _spell(bound: float) -> str:
        return f"{bound:g}"


@dataclass(frozen=True)
class Float(Numbers):
    """Real numbers; see Numbers."""


@dataclass(frozen=True)
class Int(Numbers):
    """Whole numbers; see Numbers."""

    low: int
    high: int

    @staticmethod
    def is_number(value: object) -> bool:
        """Tell whether a value is a whole number."""
        return isinstance(value, int)

    @staticmethod
    def _spell(bound: float) -> str:
        return str(bound)


@dataclass(frozen=True)
class Categorical:
    """One of a few named choices; no other value is valid."""

    choices: tuple[str | int | float | bool, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.choices

    def __str__(self) -> str:
        return "|".join(str(choice) for choice in self.choices)

    def allows(self, value: object) -> bool:
        """Tell whether a value is valid."""
        return value in self

    def spell_valid(self) -> str:
        """Spell what is valid."""
        return f"in {self}"


Domain = Float | Int | Categorical


@dataclass(frozen=True)
class Option:
    """The valid values of a setting that results leave out at its default: rows from before it stay the same."""

    values: Domain


@dataclass(frozen=True)
class Setting:
    """The valid values of a setting."""

    values: Domain


@dataclass(frozen=True)
class Parameter:
    """What a class declares of one of its fields."""

    name: str
    type: type
    default: Any
    domain: Domain | None
    """From which a sampler draws; None if none does."""
    owner: Any
    """The class that was asked."""
    option: Option | None = None
    setting: Setting | None = None

    @property
    def help(self) -> str:
        """What the docstring below the field says. Reading it takes a tenth of a second for a class, once."""
        return _attribute_docs(self.owner).get(self.name, "")

    @property
    def declared(self) -> Domain | None:
        """What says which values are valid, searched or not; None if the type alone decides."""
        given = self.option or self.setting
        return given.values if given is not None else self.domain

    def parse(self, text: str) -> Any:
        """Return the value that `text` spells; raises InvalidValue naming the type and the range."""
        try:
            value = (
                {"true": True, "false": False}[text.lower()]
                if self.type is bool
                else self.type(text)
            )
        except (ValueError, KeyError):
            raise InvalidValue(f"{self.name}={text} is not {self.spell_expected()}") from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """Return the value itself; raises InvalidValue if it is not valid or not finite.

        What is valid may be more than what is searched. A setting that declares no values is a count of at
        least 1, or a number of at least 0.
        """
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidValue(f"{self.name}={value} is not {self.spell_expected()}")
        if self.declared is not None and not self.declared.allows(value):
            raise InvalidValue(f"{self.name}={value} is out of range: {self.spell_expected()}")
        least = {int: 1, float: 0}.get(self.type)
        if self.declared is None and least is not None and value < least:
            raise InvalidValue(f"{self.name}={value} is out of range: at least {least}")
        return value

    def spell_expected(self) -> str:
        """Spell what a value must be, as in "a float in 0..1"."""
        valid = f" {self.declared.spell_valid()}" if self.declared is not None else ""
        return f"{'an' if self.type is int else 'a'} {self.type.__name__}{valid}"


@functools.cache
def _parameters(cls: Any) -> dict[str, Parameter]:
    hints = typing.get_type_hints(cls, include_extras=True)
    found = {}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        plain, *extras = typing.get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        domain = next((e for e in extras if isinstance(e, Float | Int | Categorical)), None)
        option = next((e for e in extras if isinstance(e, Option)), None)
        setting = next((e for e in extras if isinstance(e, Setting)), None)
        found[field.name] = Parameter(
            field.name, plain, field.default, domain, cls, option, setting
        )
    return found


def parameters(cls: type) -> dict[str, Parameter]:
    """List every field of a dataclass, in order, with what its annotation, default and docstring say."""
    return _parameters(cls)


def search_space(cls: type) -> dict[str, Domain]:
    """List the domains a sampler may search: the fields of `cls` that declare one."""
    return {name: p.domain for name, p in parameters(cls).items() if p.domain is not None}


@functools.cache
def _attribute_docs(cls: Any) -> dict[str, str]:
    """The string literal below each annotated field, of `cls` and the classes it extends."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        except (OSError, TypeError):
            continue
        for statement, following in itertools.pairwise(body):
            match statement, following:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                    docs[name] = inspect.cleandoc(text)
    return docs
