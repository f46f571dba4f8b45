"""Two stored sweeps that are compared."""

from __future__ import annotations

from orchestrator.results.comparison.fronts import Comparison, compare_fronts
from orchestrator.results.objectives import objective_named
from orchestrator.results.store import read_results
from orchestrator.results.sweep_rows import Sweep
from orchestrator.sweeps.folder import read_config


def compare_sweeps(first: str, second: str, storage: str) -> Comparison:
    """Compare the fronts of two sweeps of a storage root; see `compare_fronts`.

    Raises InvalidValue for an unknown sweep, listing the known ones.
    """
    configs = [read_config(name, storage) for name in (first, second)]
    sweeps = [
        Sweep(str(config.name), read_results(config.storage, config.name).to_pylist())
        for config in configs
    ]
    first_aim, second_aim = (objective_named(config.aim) for config in configs)
    return compare_fronts(sweeps[0], sweeps[1], (first_aim, second_aim))
