"""Loggers: they write the stored rows of a sweep where other programs look. `--log NAME[:TARGET]` names them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec

from orchestrator.loggers.base import LocalLogger, Logger
from tasks.errors import InvalidValue
from tasks.registry import Registry

LOGGERS = Registry(
    "logger",
    "orchestrator.loggers",
    {
        "csv": "orchestrator.loggers.csv_file:CsvFile",
        "tensorboard": "orchestrator.loggers.tensorboard:TensorBoard",
        "mlflow": "orchestrator.loggers.mlflow:MLflow",
        "wandb": "orchestrator.loggers.wandb:WeightsAndBiases",
    },
)
"""Subclasses of Logger, which are called with their target."""
PROJECT = "unlearning-sweeps"
"""This package, as its extras are installed."""


def open_loggers(specs: Sequence[str]) -> list[Logger]:
    """Make the logger of each NAME[:TARGET]; nothing is written or connected to yet.

    Raises InvalidValue: for an unknown name, which lists the known ones, for one that is given twice, for a package
    that is not installed, and for a target that the logger refuses.
    """
    opened = [_open_logger(spec) for spec in specs]
    if len({(logger.name, _find_place(logger)) for logger in opened}) < len(opened):
        raise InvalidValue("--log names a logger twice")
    return opened


def _find_place(logger: Logger) -> str:
    """Return where it writes, which has more than one spelling if it is a path."""
    return os.path.realpath(logger.path) if isinstance(logger, LocalLogger) else logger.target


def _open_logger(spec: str) -> Logger:
    name, target = LOGGERS.split(spec)
    kind = LOGGERS.resolve(name)
    if not (isinstance(kind, type) and issubclass(kind, Logger)):
        raise InvalidValue(f"logger {name!r} is no subclass of orchestrator.loggers.base.Logger")
    missing = [package for package in kind.packages if find_spec(package) is None]
    if missing:
        how = f"; its extra has it: pip install '{PROJECT}[{kind.extra}]'" if kind.extra else ""
        raise InvalidValue(f"--log {name}: the package {missing[0]} is not installed{how}")
    return kind(name, target)
