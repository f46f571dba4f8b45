"""The runs behind the table: of each task a sweep over the methods, then fresh seeds. A kill loses one trial a core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.methods.estimate import estimate_stages
from orchestrator import api
from orchestrator.config import SweepConfig
from orchestrator.reporting.durations import spell_duration
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.budget import trials_left
from orchestrator.sweeps.confirm import plan_repeats
from orchestrator.sweeps.data_check import choose_task
from orchestrator.sweeps.folder import CONFIG, open_sweeps, read_config
from orchestrator.sweeps.stored.adopted import adopt_stored

Say = Callable[[str], None]
LOWEST = 19
"""The nice value of everything that runs here: a night's run disturbs nobody."""


@dataclass
class Stage:
    """One sweep: the search of a task, or one of its fresh seeds."""

    what: str
    search: SweepConfig
    seed: int
    """Number of the fresh seed, from 1; 0 for the search."""
    seconds: float = 0.0
    """Expected seconds; 0 if nothing is left to run."""

    @property
    def name(self) -> str:
        """The name of the sweep under the storage root."""
        base = self.search
        if not self.seed:
            return str(base.name)
        repeat = SweepConfig(confirms=base.name, points="methods", seed=base.seed + self.seed)
        return str(repeat.repeat_name)

    @property
    def config(self) -> SweepConfig:
        """The configuration to run; that of a fresh seed can be made once the search has ended."""
        if not self.seed:
            return self.search
        base = self.search
        return plan_repeats(str(base.name), self.seed, base.storage, None, "methods")[-1]

    def has_ended(self) -> bool:
        """Tell whether all trials are stored."""
        storage = self.search.storage
        if not open_sweeps(storage).read(f"{self.name}/{CONFIG}"):
            return False
        finished = read_finished_trials(storage, self.name)
        return not any(trials_left(read_config(self.name, storage), finished).values())


def name_sweep(config: SweepConfig) -> str:
    """Return the stable name of a task's search: the same command finds its sweep again."""
    words = f"methods-{config.task}-{config.model}-t{config.trials}-s{config.seed}"
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.+") else "-" for c in words)[:80]


def plan_stages(configs: Sequence[SweepConfig], seeds: int, say: Say) -> list[Stage]:
    """Return all stages in order; check the input of all tasks before anything runs.

    Raises InvalidValue or DatasetNotFound, also if a sweep of that name has another configuration.
    """
    stages: list[Stage] = []
    for given in configs:
        checked = choose_task(given.validate(), say)
        search = adopt_stored(replace(checked, name=name_sweep(given)))
        stages.append(Stage(f"search on {search.task}", search, 0))
        stages += [
            Stage(f"seed {search.seed + number} on {search.task}", search, number)
            for number in range(1, seeds + 1)
        ]
    return stages


def estimate_night(stages: Sequence[Stage], say: Say) -> None:
    """Fill in what each stage that has not ended will take, and say the sum."""
    left = [stage for stage in stages if not stage.has_ended()]
    for search in {str(stage.search.name): stage.search for stage in left}.values():
        found = estimate_stages(search)
        for stage in left:
            if stage.search is search:
                stage.seconds = found.repeat if stage.seed else found.search
    total = sum(stage.seconds for stage in left)
    say(
        f"{len(stages)} stages, {len(stages) - len(left)} of them done"
        + (f"; the others take about {spell_duration(total)}" if left else "")
    )


def run_night(stages: Sequence[Stage], say: Say, after: Callable[[Stage], None]) -> None:
    """Run every stage that has not ended, and say one line after each; `after` is called with each.

    Stopped at any moment, the same call goes on: finished trials and trained models are kept.
    """
    spent = expected = 0.0
    for number, stage in enumerate(stages, 1):
        if stage.has_ended():
            after(stage)
            continue
        start = time.monotonic()
        api.sweep(stage.config)
        took = time.monotonic() - start
        spent, expected = spent + took, expected + stage.seconds
        rest = sum(later.seconds for later in stages[number:]) * spent / max(expected, 1.0)
        time_left = f"; about {spell_duration(rest)} left" if number < len(stages) else ""
        say(f"stage {number} of {len(stages)}, {stage.what}: {spell_duration(took)}{time_left}")
        after(stage)


def lower_priority() -> None:
    """Give this process, and all that it starts, the lowest priority."""
    os.nice(max(0, LOWEST - os.nice(0)))
