"""What a sweep searches of each method: the declared domains, fixed or narrowed by assignments (`--set`).

An assignment is METHOD.NAME=VALUES, or NAME=VALUES for every method of the sweep that has it. VALUES is one value,
LOW..HIGH, or choices as A,B,C. What it allows may lie outside of what the method declares to be searched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.errors import InvalidValue
from tasks.registry import one_of
from tasks.search_space import Categorical, Domain, Float, Int, Numbers, Parameter, parameters
from tasks.unlearners import unlearner_class

FORM = "[METHOD.]NAME=VALUE, =LOW..HIGH or =A,B,C"
TO = ".."


@dataclass(frozen=True)
class Space:
    """What a sweep searches of one method."""

    domains: Mapping[str, Domain]
    """What a sampler searches, by hyper-parameter."""
    fixed: Mapping[str, Any]
    """Hyper-parameters that every trial has the same given value of."""
    unstored: Mapping[str, Any]
    """What a row without it has of each searched hyper-parameter, its default: it was left out (see Option), or the
    method did not have it yet."""


@dataclass(frozen=True)
class Assignment:
    """One hyper-parameter, of one method or of all, and the values that it may have."""

    text: str
    method: str
    """Empty for every method that has the hyper-parameter."""
    name: str
    values: str

    @property
    def target(self) -> tuple[str, str]:
        """What is assigned to."""
        return self.method, self.name


def read_assignment(text: str) -> Assignment:
    """Split an assignment; raises InvalidValue if it is none."""
    target, equals, values = text.partition("=")
    method, _, name = target.strip().rpartition(".")
    if not equals or not name or not values.strip():
        raise InvalidValue(f"--set {text}: not of the form {FORM}")
    return Assignment(text, method, name, values.strip())


def spell_assignments(given: str | Iterable[str] | Mapping[str, Any]) -> tuple[str, ...]:
    """Spell assignments as the command line does.

    A mapping gives each hyper-parameter a value, the text of a range as in "1e-3..1e-2", or choices. A mapping in
    it is of a method.
    """
    if not isinstance(given, Mapping):
        return (given,) if isinstance(given, str) else tuple(given)
    found: list[str] = []
    for name, values in given.items():
        if isinstance(values, Mapping):
            found += [f"{name}.{text}" for text in spell_assignments(values)]
        elif isinstance(values, Iterable) and not isinstance(values, str):
            found.append(f"{name}={','.join(map(str, values))}")
        else:
            found.append(f"{name}={values}")
    return tuple(found)


def check_assignments(texts: Sequence[str], unlearners: Sequence[str]) -> None:
    """Check what is assigned to hyper-parameters of the methods of a sweep.

    Raises InvalidValue, which lists the valid choices: for an unknown method or hyper-parameter, for a range that
    is empty, for values of another type or out of range, and for two assignments to the same target.
    """
    found = [read_assignment(text) for text in texts]
    for number, given in enumerate(found):
        if given.target in [other.target for other in found[:number]]:
            raise InvalidValue(f"--set {given.text}: {given.text.partition('=')[0]} is set twice")
        try:
            _check_assignment(given, unlearners)
        except InvalidValue as error:
            raise InvalidValue(f"--set {given.text}: {error}") from None


def _check_assignment(given: Assignment, unlearners: Sequence[str]) -> None:
    """Raise InvalidValue if no method has the hyper-parameter, or one that has it cannot have these values."""
    if given.method:
        one_of("method of this sweep", given.method, unlearners)
    asked = [given.method] if given.method else unlearners
    declared = {method: parameters(unlearner_class(method)) for method in asked}
    one_of(
        "hyper-parameter", given.name, dict.fromkeys(n for own in declared.values() for n in own)
    )
    for method, own in declared.items():
        if given.name not in own:
            continue
        try:
            domain = narrow_domain(own[given.name], given.values)
            ends = domain.choices if isinstance(domain, Categorical) else (domain.low, domain.high)
            for value in ends:  # a class may check more than types and ranges
                unlearner_class(method).from_params({given.name: value})
        except InvalidValue as error:
            raise InvalidValue(f"{method}: {error}") from None


def keep_assignments(texts: Iterable[str], unlearners: Sequence[str]) -> tuple[str, ...]:
    """Return the assignments that are of any use to these methods: a sweep may have left out others."""
    kept = []
    for given in map(read_assignment, texts):
        asked = [given.method] if given.method else unlearners
        if any(n in unlearners and given.name in parameters(unlearner_class(n)) for n in asked):
            kept.append(given.text)
    return tuple(kept)


def narrow_space(
    unlearner: str, texts: Iterable[str] = (), given: Iterable[Mapping[str, Any]] = ()
) -> Space:
    """Return what is searched of a method, by its declaration and the assignments that concern it.

    An assignment to the method goes before one to all methods. A single value is fixed, not searched. The space holds
    the `given` trials too: a point on the way to the end of one has fewer epochs than what was assigned.
    """
    given = list(given)
    declared = parameters(unlearner_class(unlearner))
    found = sorted(map(read_assignment, texts), key=lambda given: bool(given.method))
    mine = {g.name: g for g in found if g.method in ("", unlearner) and g.name in declared}
    domains, fixed, unstored = {}, {}, {}
    for name, parameter in declared.items():
        domain = narrow_domain(parameter, mine[name].values) if name in mine else parameter.domain
        if domain is None:
            continue
        domain = widen_domain(domain, [params.get(name, parameter.default) for params in given])
        if name in mine and isinstance(domain, Categorical) and len(domain.choices) == 1:
            fixed[name] = domain.choices[0]
            continue
        domains[name] = domain
        unstored[name] = parameter.default
    return Space(domains, fixed, unstored)


def narrow_domain(parameter: Parameter, text: str) -> Domain:
    """Return the domain that `text` gives a hyper-parameter; a single value is a choice of one.

    A range is searched on a logarithmic scale if the declared domain is, and begins above 0. Raises InvalidValue.
    """
    if parameter.type in (int, float) and TO in text:
        return _read_range(parameter, text)
    return Categorical(tuple(dict.fromkeys(map(parameter.parse, _split_choices(text)))))


def widen_domain(domain: Domain, values: Sequence[Any]) -> Domain:
    """Return the least domain of this kind that holds these values too."""
    if isinstance(domain, Categorical):
        return Categorical(tuple(dict.fromkeys((*domain.choices, *values))))
    low, high = min([domain.low, *values]), max([domain.high, *values])
    return dataclasses.replace(domain, low=low, high=high, log=domain.log and low > 0)


def _read_range(parameter: Parameter, text: str) -> Domain:
    declared = parameter.declared
    if isinstance(declared, Categorical):
        raise InvalidValue(f"{parameter.name}={text} is a range, not choices of {declared}")
    low, high = (parameter.parse(part.strip()) for part in text.split(TO, 1))
    if low > high:
        raise InvalidValue(f"{parameter.name}={text} is empty: {low} is above {high}")
    if low == high:
        return Categorical((low,))
    log = isinstance(declared, Numbers) and declared.log and low > 0
    kind = Int if parameter.type is int else Float
    if isinstance(declared, kind):
        return dataclasses.replace(declared, low=low, high=high, log=log)
    return kind(low, high, log)


def _split_choices(text: str) -> list[str]:
    """Split at commas; one inside of parentheses belongs to a single choice, as in `salun(lr=.1,epochs=2)`."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
