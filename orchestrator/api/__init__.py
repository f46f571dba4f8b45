"""What a script or a notebook calls; the command line is built on the same functions."""

from orchestrator.api.reports import report
from orchestrator.api.single import influence, run_sequence, run_trial
from orchestrator.api.stored import compare, delete, list_sweeps, rename, status
from orchestrator.api.sweeps import SweepResult, confirm, export, front, preview, resume, sweep

__all__ = [
    "SweepResult", "compare", "confirm", "delete", "export", "front", "influence", "list_sweeps", "preview", "rename",
    "report", "resume", "run_sequence", "run_trial", "status", "sweep",
]  # fmt: skip
