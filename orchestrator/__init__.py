"""Find the Pareto front of machine-unlearning methods: the public names, each imported on first use."""

from importlib import import_module
from typing import Any

_PLACES = {
    "__version__": "orchestrator.config.version",
    "SweepConfig": "orchestrator.config",
    "Observer": "orchestrator.reporting.observer",
    "SweepResult": "orchestrator.api",
    "sweep": "orchestrator.api",
    "preview": "orchestrator.api",
    "resume": "orchestrator.api",
    "confirm": "orchestrator.api",
    "status": "orchestrator.api",
    "list_sweeps": "orchestrator.api",
    "compare": "orchestrator.api",
    "rename": "orchestrator.api",
    "delete": "orchestrator.api",
    "export": "orchestrator.api",
    "report": "orchestrator.api",
    "run_trial": "orchestrator.api",
    "run_sequence": "orchestrator.api",
    "influence": "orchestrator.api",
    "read_results": "orchestrator.results.store",
    "front": "orchestrator.api",
}

__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    """Import a public name: `import orchestrator` alone takes no time."""
    if name not in _PLACES:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
