"""The first trials of a method: its default, known points of the nearest task, and the points of another sweep.

They are proposed anew whenever a study is built, from what is declared, shipped and stored in the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.search.first.known_points import list_known
from orchestrator.search.narrowing import narrow_space
from tasks.search_space import Categorical, Domain, parameters
from tasks.unlearners import unlearner_class

NONE, DEFAULTS, TABLE = "none", "defaults", "table"
FIRST = {
    NONE: "the sampler proposes every trial",
    DEFAULTS: "the first trial of a method has the values that it declares: its authors'",
    TABLE: "then come the method's points in docs/methods.md of the nearest task",
}
"""What may come before the sampler, with a line for a person. `--warm-start` adds to each."""

BY_DEFAULT, BY_TABLE, BY_WARM_START, BY_SAMPLER = "default", "table", "warm-start", "sampler"
"""Values of the column proposed_by."""


@dataclass(frozen=True)
class FirstPoint:
    """A trial that is proposed before the sampler is asked."""

    values: Mapping[str, Any]
    """Every searched hyper-parameter."""
    by: str
    """Who proposed it: a value of the column proposed_by."""


def list_first(
    unlearner: str,
    assignments: Sequence[str],
    first: str,
    task: str,
    warm: Sequence[Mapping[str, Any]] = (),
) -> list[FirstPoint]:
    """List the first trials of a method, without repetitions; `warm` are hyper-parameters of another sweep's points.

    A default outside of what is searched is moved to the nearest value that is, or to the first choice. A point
    that others found outside of it is left out.
    """
    space = narrow_space(unlearner, assignments)
    declared = {n: p.default for n, p in parameters(unlearner_class(unlearner)).items()}
    default = {name: move_into(d, declared[name]) for name, d in space.domains.items()}
    found = [] if first == NONE else [FirstPoint(default, BY_DEFAULT)]
    known = list_known(unlearner, task) if first == TABLE else []
    for by, points in ((BY_TABLE, known), (BY_WARM_START, warm)):
        for params in points:
            values = {name: params.get(name, declared[name]) for name in space.domains}
            if all(value in space.domains[name] for name, value in values.items()):
                found.append(FirstPoint(values, by))
    return [p for i, p in enumerate(found) if p.values not in [q.values for q in found[:i]]]


def move_into(domain: Domain, value: Any) -> Any:
    """Return the value of a domain that is nearest to a value; of choices the first, if it is none of them."""
    if value in domain:
        return value
    if isinstance(domain, Categorical):
        return domain.choices[0]
    if not isinstance(value, int | float):
        return domain.low
    return domain.low if value < domain.low else domain.high
