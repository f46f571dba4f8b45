"""Code that a store names as `module:attribute`: it is imported only if the user names it too.

Stored configurations and rows come from whoever can write the storage root. A module that they name would run
as the user who resumes, confirms or exports the sweep.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.search.narrowing import read_assignment
from tasks.errors import InvalidValue
from tasks.registry import list_code


def list_code_of_config(config: SweepConfig) -> list[str]:
    """List the code that the settings of a sweep name."""
    given = map(read_assignment, config.set)
    assigned = [part for a in given for part in (a.method, a.values)]
    return list_code(
        config.task,
        config.model,
        config.sampler,
        config.unlearners,
        assigned,
        config.given or {},
    )


def list_code_of_row(row: Mapping[str, Any]) -> list[str]:
    """List the code that a row names."""
    params = json.loads(row["params"] or "{}")
    return list_code(row["task"], row["model"], row["unlearner"], params)


def refuse_unnamed(sweep: str | None, code: Iterable[str], named: Sequence[str]) -> None:
    """Raise InvalidValue if a stored sweep names `code` that the user has not `named`."""
    unnamed = [name for name in code if name not in named]
    if unnamed:
        raise InvalidValue(
            f"the stored sweep {sweep!r} names code that is not this program's: {', '.join(unnamed)}. A store is "
            f"data and imports nothing; if you trust that code, add: --code {','.join(unnamed)}"
        )
