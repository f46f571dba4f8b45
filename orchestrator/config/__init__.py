"""Every setting of a sweep."""

from orchestrator.config.checks import check_has_model, check_name, check_requested, check_seed
from orchestrator.config.defaults import (
    DEFAULT_REFERENCES,
    DEFAULT_REFERENCES_BY_TASK,
    DEFAULT_TASK,
    DEFAULT_TRIALS,
    DEFAULT_TRIALS_PER_SLOT,
    DEFAULT_UNLEARNERS,
    FALLBACK_TASK,
    LOCAL,
    PRESETS,
    REMOTE,
)
from orchestrator.config.sweep import NAMES, JobConfig, SweepConfig

__all__ = [
    "DEFAULT_REFERENCES",
    "DEFAULT_REFERENCES_BY_TASK",
    "DEFAULT_TASK",
    "DEFAULT_TRIALS",
    "DEFAULT_TRIALS_PER_SLOT",
    "DEFAULT_UNLEARNERS",
    "FALLBACK_TASK",
    "LOCAL",
    "NAMES",
    "PRESETS",
    "REMOTE",
    "JobConfig",
    "SweepConfig",
    "check_has_model",
    "check_name",
    "check_requested",
    "check_seed",
]
