"""Mistakes in the class of a method that can be seen before it runs: each is one line.

A dataclass forgives most of them silently: a field that it does not know keeps an old default, and a default
outside of its domain is run as it is.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from tasks.errors import InvalidValue
from tasks.search_space import Parameter, parameters


def check_declaration(what: str, cls: type, base: type) -> None:
    """Raise InvalidValue for the first mistake in `cls`, which extends `base`; `what` is how the line begins."""
    for mistake in _list_mistakes(cls, base):
        raise InvalidValue(f"{what}: {mistake}")


def _list_mistakes(cls: type, base: type) -> Iterator[str]:
    own = [c for c in cls.__mro__ if issubclass(c, base) and c is not base]
    for owner in own:
        yield from _list_lost_fields(owner)
    for field in fields(cls):
        if field.default is MISSING and field.default_factory is MISSING:
            yield f"field {field.name} has no default; a value is needed, as in {field.name}: … = 0.5"
    for parameter in parameters(cls).values():
        yield from _check_default(parameter)
    yield from _check_unlearn(cls, base)


def _list_lost_fields(owner: type) -> Iterator[str]:
    """Yield which fields of a class, not of those that it extends, its dataclass does not know."""
    annotated = vars(owner).get("__annotations__", {})
    new = [name for name, hint in annotated.items() if "ClassVar" not in str(hint)]
    if new and "__dataclass_fields__" not in vars(owner):
        yield f"{owner.__name__} lacks @dataclass(frozen=True), hence {', '.join(new)} is no hyper-parameter"
    extended = [c for c in owner.__mro__[1:] if is_dataclass(c)]
    inherited = {field.name for c in extended for field in fields(c)}
    for name in sorted(inherited & vars(owner).keys() - annotated.keys()):
        if not isinstance(vars(owner)[name], property):
            yield f"{name} = {vars(owner)[name]!r} has no annotation, hence it changes nothing; write {name}: …"


def _check_default(parameter: Parameter) -> Iterator[str]:
    """Yield why a default is no value of its own parameter."""
    default, wanted = parameter.default, parameter.type
    kinds = (int, float) if wanted is float else (wanted,)
    if default is MISSING or wanted not in (int, float, str, bool):
        return
    if type(default) not in kinds:
        yield f"the default {parameter.name}={default!r} is not {parameter.spell_expected()}"
        return
    try:
        parameter.check(default)
    except InvalidValue as error:
        yield f"the default {error}"


def _check_unlearn(cls: Any, base: Any) -> Iterator[str]:
    if cls.unlearn is base.unlearn:
        yield "it defines no unlearn(self, problem)"
        return
    _, *given = inspect.signature(cls.unlearn).parameters.values()
    required = [p for p in given if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(required) not in (1, 4) and not any(p.kind is p.VAR_POSITIONAL for p in given):
        yield f"unlearn() takes {', '.join(p.name for p in required) or 'nothing'}, not (self, problem)"
    if not inspect.isgeneratorfunction(inspect.unwrap(cls.unlearn)) and not _returns(cls.unlearn):
        yield "unlearn() has no yield; write one at the end of each epoch, or one at its end"


def _returns(function: Any) -> bool:
    """Tell whether a function may return a value, such as another one's generator; true if its source is lost."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return True
    return any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(tree))
