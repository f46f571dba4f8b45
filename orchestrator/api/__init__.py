"""What a script or a notebook calls; the command line is built on the same functions."""

from orchestrator.api.reports import report
from orchestrator.api.single import influence, run_sequence, run_trial
from orchestrator.api.sweeps import SweepResult, confirm, export, front, resume, status, sweep

__all__ = [
    "SweepResult", "confirm", "export", "front", "influence", "report", "resume", "run_sequence", "run_trial", "status",
    "sweep",
]  # fmt: skip
