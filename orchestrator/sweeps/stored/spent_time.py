"""How much of its budget of time a sweep has spent, by its rows: another driver may have been killed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.results.rows import sum_own_seconds

Row = Mapping[str, Any]


def measure_time_left(config: SweepConfig, finished: Iterable[Row]) -> float:
    """Return the seconds that are left of a sweep's budget; `finished` are the last rows of its trials.

    Spent is the time since the budget was granted in which at least one trial ran that has ended. What a killed
    driver spent on models, and on trials that it lost, is not known, and is not counted.
    """
    assert config.budget_seconds is not None
    since = datetime.fromisoformat(config.granted_at) if config.granted_at else None
    ran = [span for row in finished if (span := _find_span(row, since)) is not None]
    return max(0.0, config.budget_seconds - measure_union(ran))


def measure_union(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _find_span(row: Row, since: datetime | None) -> tuple[float, float] | None:
    """Return when a trial ran, in seconds since 1970; None if it ended before the budget was granted."""
    ended = row.get("finished_at")
    if ended is None or (since is not None and ended < since):
        return None
    begin = ended.timestamp() - sum_own_seconds(row)
    return (begin if since is None else max(begin, since.timestamp())), ended.timestamp()
