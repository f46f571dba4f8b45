"""Sweeps from Python: run them, go on with them, read what they found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import REMOTE, SweepConfig, convert_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from orchestrator.reporting.observer import Observer
    from orchestrator.results.confirmation.repeats import Confirmation
    from orchestrator.sweeps.export import Exported
    from orchestrator.sweeps.preview.preview import Preview

Row = dict[str, Any]


@dataclass(frozen=True)
class SweepResult:
    """What a sweep has stored so far. In a notebook it shows its Pareto front as a picture."""

    name: str
    storage: str
    objective: str
    """The sweep's objective, and what it requires, as `orchestrator.front` takes them."""

    @cached_property
    def results(self) -> pa.Table:
        """Every row of the sweep; each column has a help text and a unit in its metadata."""
        from orchestrator.results.store import read_results

        return read_results(self.storage, self.name)

    @property
    def front(self) -> pa.Table:
        """The rows of trials that no other dominates under the sweep's objective."""
        return front(self.results, self.objective)

    @property
    def recommended(self) -> Row | None:
        """The one point that the sweep recommends, by the rule in orchestrator.results.recommendation."""
        from orchestrator.results.objectives import objective_named
        from orchestrator.results.recommendation import recommend_point

        return recommend_point(self.results.to_pylist(), objective_named(self.objective))

    @property
    def reasons(self) -> list[str]:
        """Why trials failed or were pruned: a line for each method and reason, with counts."""
        from orchestrator.results.sweep_rows import Sweep

        return Sweep(self.name, self.results.to_pylist()).list_reasons()

    @property
    def original(self) -> Row | None:
        """The row of the original model; None before it is measured."""
        return self._model("original")

    @property
    def retrained(self) -> Row | None:
        """The row of the model retrained without the forget set; None before it is measured."""
        return self._model("retrained")

    def _model(self, role: str) -> Row | None:
        from orchestrator.results.sweep_rows import Sweep

        return Sweep(self.name, self.results.to_pylist()).baseline(role)

    def _repr_png_(self) -> bytes | None:
        """Draw the front; nothing if there is no point to draw."""
        from orchestrator.results.figures.front import render_front
        from orchestrator.results.figures.points import select_front
        from orchestrator.results.objectives import objective_named
        from orchestrator.results.sweep_rows import Sweep

        found = select_front(
            Sweep(self.name, self.results.to_pylist()), objective_named(self.objective)
        )
        return render_front(found) if found.drawn or found.baselines else None


def sweep(
    config: SweepConfig | None = None,
    /,
    *,
    observers: Sequence[Observer] | None = None,
    **settings: Any,
) -> SweepResult:
    """Search the hyper-parameters of unlearning methods, and return what was found.

    Takes a SweepConfig, or its fields by name: `sweep(task="digits-class:1", trials=5)`. Without
    `observers` the terminal is told how the sweep goes; an empty list tells nobody. A sweep at a
    ray:// address runs on the cluster, where the terminal alone is told. Raises InvalidValue or
    DatasetNotFound for bad input, before anything is run.
    """
    chosen = dataclasses.replace(config or SweepConfig(), **convert_settings(settings)).validate()
    name = _run_where_asked(chosen, observers)
    return SweepResult(name, chosen.storage, chosen.aim)


def preview(config: SweepConfig | None = None, /, **settings: Any) -> Preview:
    """Find out what `sweep` would do with these settings, and what that costs; nothing is run or written.

    Its `list_lines()` are what `orchestrator sweep --dry-run` prints. Raises as `sweep` does.
    """
    from orchestrator.sweeps.preview.preview import preview_sweep

    return preview_sweep(dataclasses.replace(config or SweepConfig(), **convert_settings(settings)))


def resume(
    name: str,
    *,
    trials: int | None = None,
    budget: str | None = None,
    storage: str | Path = "./results",
    address: str | None = None,
    code: Sequence[str] = (),
    log: str | Sequence[str] = (),
    observers: Sequence[Observer] | None = None,
) -> SweepResult:
    """Go on with a sweep that was interrupted or killed; returns what was found.

    `trials` is a new number of trials per method, also for a sweep that has ended; `budget`, such as "10m", is the
    wall time that it may take from now on. `code` lists what the store names as `module:attribute` and may import.
    `log` names loggers, which no store keeps; they log earlier trials too. Raises InvalidValue for an unknown name,
    listing the sweeps under this storage root, for fewer trials than before, and for code that is not in `code`.
    """
    from orchestrator.sweeps.stored.resumed import read_to_resume

    loggers = (log,) if isinstance(log, str) else log
    config = read_to_resume(name, str(storage), address, code, trials, loggers, budget)
    return sweep(config, observers=observers)


def confirm(
    name: str,
    *,
    seeds: int = 5,
    points: str = SweepConfig.points,
    metrics: str = SweepConfig.metrics,
    shadows: int = SweepConfig.shadows,
    storage: str | Path = "./results",
    address: str | None = None,
    code: Sequence[str] = (),
    observers: Sequence[Observer] | None = None,
) -> Confirmation:
    """Run the front of sweep `name` again with fresh seeds; returns means with confidence intervals.

    With `points="methods"` one point of each method runs again: the recommended one, else its best
    attempt. `metrics` names metrics on request, or all; some train `shadows` models. For `code` see `resume`.
    Raises InvalidValue for an unknown sweep, one that has not ended, and one without such points.
    """
    from orchestrator.results.confirmation.repeats import read_confirmation
    from orchestrator.sweeps.confirm import plan_repeats
    from orchestrator.sweeps.folder import read_config

    where = str(storage), address
    repeats = plan_repeats(name, seeds, *where, points, metrics, tuple(code), shadows)
    for config in repeats:
        _run_where_asked(config, observers)
    stored = read_config(name, str(storage))
    return read_confirmation(stored.storage, name, stored.aim, points)


def export(
    name: str,
    trial: str | None = None,
    *,
    output: str | Path = "model.safetensors",
    storage: str | Path = "./results",
    code: Sequence[str] = (),
) -> Exported:
    """Write the weights of a trial [default: the recommended point] and a card beside them.

    The trial runs again in this process. For `code` see `resume`. Raises InvalidValue for bad input,
    SurroundingsError if the metrics are not those of the trial's row.
    """
    from orchestrator.sweeps.export import export_trial

    return export_trial(
        name,
        trial,
        str(storage),
        Path(output),
        code=tuple(code),
        say=lambda text: None,
        training=lambda *_: None,
    )


def front(results: pa.Table, objective: str = "pareto") -> pa.Table:
    """Return the rows of trials in `results` that no other dominates; raises InvalidValue."""
    import pyarrow as pa

    from orchestrator.results.objectives import front_rows, objective_named

    rows = front_rows(results.to_pylist(), objective_named(objective))
    return pa.Table.from_pylist(rows, schema=results.schema)


def _run_where_asked(config: SweepConfig, observers: Sequence[Observer] | None) -> str:
    """Run a sweep here, or on the cluster at its ray:// address; returns its name."""
    from orchestrator.cluster.remote_call import run_on_cluster

    if not config.address.startswith(REMOTE):
        return _run_here(config, observers)
    from orchestrator.reporting.terminal import Terminal, open_console

    for observer in [Terminal(open_console())] if observers is None else observers:
        observer.say(f"connecting to the Ray cluster at {config.address}")
    there = dataclasses.replace(config, address="auto")
    return str(run_on_cluster(config.address, _run_here, there, None))


def _run_here(config: SweepConfig, observers: Sequence[Observer] | None) -> str:
    from orchestrator.reporting.observer import Observers
    from orchestrator.reporting.terminal import Terminal, open_console
    from orchestrator.sweeps.run import run_sweep

    told = [Terminal(open_console())] if observers is None else observers
    return str(run_sweep(config, Observers(told)).config.name)
