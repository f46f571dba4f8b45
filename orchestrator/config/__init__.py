"""Every setting of a sweep."""

from orchestrator.config.checks import (
    check_deterministic,
    check_has_model,
    check_name,
    check_requested,
    check_seed,
)
from orchestrator.config.conversion import convert_settings
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
from orchestrator.config.files import read_settings
from orchestrator.config.flags import NAMES, TEXTS
from orchestrator.config.sweep import JobConfig, SweepConfig, list_flags

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
    "TEXTS",
    "JobConfig",
    "SweepConfig",
    "check_deterministic",
    "check_has_model",
    "check_name",
    "check_requested",
    "check_seed",
    "convert_settings",
    "list_flags",
    "read_settings",
]
