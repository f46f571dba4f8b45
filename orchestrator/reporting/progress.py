"""The progress of a sweep: counts, best values, hypervolume, time left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.reporting.durations import spell_duration
from orchestrator.results.columnar.points import Standing
from orchestrator.results.noise import NoiseFloor
from orchestrator.results.objectives import OBJECTIVES, FrontRule, Objective
from orchestrator.results.pareto import compute_hypervolume, join_front

Row = Mapping[str, Any]
PARETO = OBJECTIVES["pareto"]
MEASURED_FROM = 0.05
"""Share of the trials that must have ended before their rate tells more of the rest than the estimate."""


class Progress:
    """Counts and best values of a sweep, updated with the rows of each trial that ends."""

    def __init__(
        self,
        objective: Objective,
        total: int | None,
        floor: NoiseFloor | None = None,
        expected_seconds: float | None = None,
        ends_at: float | None = None,
    ) -> None:
        """Start at zero. `expected_seconds` estimates the whole search until MEASURED_FROM of it is done.

        `total` is None while time alone ends the sweep. `ends_at` is when the time is over, by the monotonic clock.
        """
        self._objective, self._total, self._ends_at = objective, total, ends_at
        self._rule, self._expected_seconds = FrontRule.of(PARETO, floor), expected_seconds
        self.done = self.failed = self.pruned = self.running = 0
        self._pareto: list[tuple[float, ...]] = []
        self._volume: float | None = None
        self._best: dict[str, float] = {}
        self._start, self._done_before = time.monotonic(), 0

    def resume(self, trials: Sequence[Sequence[Row]]) -> None:
        """Add trials that ended before this driver started. They do not count for its speed."""
        for rows in trials:
            self.finish(rows)
        self._begin()

    def start_from(self, standing: Standing) -> None:
        """Take over the trials that have ended before, summed up: the same as `resume` with their rows."""
        self.done, self.failed, self.pruned = standing.done, standing.failed, standing.pruned
        self._pareto, self._best = list(standing.front), dict(standing.best)
        self._volume = None
        self._begin()

    def finish(self, rows: Sequence[Row]) -> bool:
        """Add a trial that has ended; return whether the front changed.

        `rows` are in order of epoch.
        """
        before = self._pareto
        failed = rows[-1]["state"] == "failed"
        self.failed += failed
        self.done += not failed
        self.pruned += rows[-1]["state"] == "pruned"
        for row in rows[:-1] if failed else rows:
            gains = self._rule.read_gains(row)
            if gains is not None:
                self._pareto = join_front(self._pareto, gains)
            self._note_best(row)
        self._volume = None
        return self._pareto != before

    @property
    def best(self) -> Mapping[str, float]:
        """The best value of each metric of the objective so far."""
        return self._best

    @property
    def total(self) -> int:
        """Trials of the sweep; while time alone ends it, as many as there will be at the present pace."""
        ended = self.done + self.failed
        if self._total is not None:
            return self._total
        if self._ends_at is None or (pace := self._measure_pace()) is None:
            return ended + self.running
        return ended + max(self.running, round(max(0.0, self._ends_at - time.monotonic()) / pace))

    def close(self) -> None:
        """Note that the time is over: there are no more trials than have ended."""
        self._total, self._ends_at, self.running = self.done + self.failed, None, 0

    @property
    def left(self) -> int:
        """Number of trials that have not ended."""
        return max(0, self.total - self.done - self.failed)

    @property
    def hypervolume(self) -> float:
        """Hypervolume of accuracy, indistinguishability and the saved share of the retrain time; at most 1.

        The reference point is accuracy 0, indistinguishability 0 and the retrain time. The value is
        kept: the terminal reads it four times a second, and a large front takes tens of milliseconds.
        """
        if self._volume is None:
            self._volume = compute_hypervolume(self._pareto, (0.0, 0.0, -1.0))
        return self._volume

    def format_line(self) -> str:
        """Return the progress as one line of plain text."""
        best = ", ".join(f"{name} {value:.4g}" for name, value in self._best.items())
        return (
            f"{self.done + self.failed}/{'about ' * (self._total is None)}{self.total} trials, "
            f"{self.running} running, "
            f"{self.failed} failed{f', {self.pruned} pruned' if self.pruned else ''}; best {best or 'none yet'}; "
            f"hypervolume {self.hypervolume:.3f}; {self._time_left()}"
        )

    def _measure_pace(self) -> float | None:
        """Return the seconds from one end of a trial to the next; None before this driver has seen any."""
        here = self.done + self.failed - self._done_before
        return (time.monotonic() - self._start) / here if here else None

    def _is_early(self) -> bool:
        """Tell whether too few trials have ended to say by their pace how long the rest takes."""
        here = self.done + self.failed - self._done_before
        return here < MEASURED_FROM * (self.total - self._done_before)

    def _begin(self) -> None:
        self._done_before = self.done + self.failed
        self._start = time.monotonic()

    def _time_left(self) -> str:
        spent, pace = time.monotonic() - self._start, self._measure_pace()
        if self._total is None and self._ends_at is None:
            return "stopped before the budget was spent"
        if not self.left and self._total is not None:
            return f"took {spell_duration(spent)}" if pace is not None else "all done"
        if self._ends_at is not None:
            budget = max(0.0, self._ends_at - time.monotonic())
            if self._total is None or pace is None or pace * self.left > budget:
                return f"{spell_duration(budget)} of the budget left"
        estimated = None if self._expected_seconds is None else self._expected_seconds - spent
        if self._is_early() and estimated is not None and estimated > 0:
            return f"about {spell_duration(estimated)} left"
        if pace is not None:
            return f"about {spell_duration(pace * self.left)} left"
        return "time left unknown yet" if estimated is None else "longer than estimated"

    def _note_best(self, row: Row) -> None:
        values = self._objective.values(row)
        if values is None:
            return
        names = zip(self._objective.metrics, self._objective.maximise, values, strict=True)
        for name, up, value in names:
            better = max if up else min
            self._best[name] = better(value, self._best.get(name, value))
