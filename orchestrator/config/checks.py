"""Checks of settings that commands besides `sweep` have too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.results.columns import COLUMNS
from orchestrator.results.objectives import SCORE, objective_named
from orchestrator.search.allocation import ADAPTIVE
from tasks.errors import InvalidValue
from tasks.evaluation import choose_metrics, list_of_shadows
from tasks.evaluation.shadows.incidence import check_models
from tasks.roles import FEWEST

RANGES = {
    "trials": (1, 10**7),
    "max_concurrent": (1, 10**5),
    "cpus_per_trial": (1, 10**4),
    "gpus_per_trial": (0, 10**4),
    "references": (FEWEST, 10**4),
    "trial_seconds": (1, 10**9),
    "cost_limit": (0, 10**6),
}
"""The least and the greatest value of each setting that is a number: none beyond what any cluster does."""


def check_requested(metrics: str, shadows: int, *, confirms: bool) -> None:
    """Raise InvalidValue for an unknown metric, and for shadow models that a search would train, or out of balance."""
    of_shadows = [name for name in choose_metrics(metrics) if name in list_of_shadows()]
    if of_shadows and not confirms:
        raise InvalidValue(
            f"--metrics {', '.join(of_shadows)}: trains shadow models, which `orchestrator run` and `confirm` do, and "
            "no search"
        )
    check_models(shadows)


def check_numbers(settings: object) -> None:
    """Raise InvalidValue for a number out of range among the `settings` of a sweep."""
    for name, (least, most) in RANGES.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            flag = name.replace("_", "-")
            raise InvalidValue(f"--{flag} {str(value)[:30]} is out of range: {least}..{most:,}")
    gpus = getattr(settings, "gpus_per_trial", None) or 0
    if gpus > 1 and gpus != int(gpus):
        raise InvalidValue(f"--gpus-per-trial {gpus}: above 1, Ray accepts whole numbers only")
    check_seed(getattr(settings, "seed", 0))


def check_has_model(original: Path | None, model: str) -> None:
    """Raise InvalidValue for an original that is given without the family that its weights are of."""
    if original is not None and model == "auto":
        raise InvalidValue("--original needs --model: the family that the weights are of")


def check_deterministic(settings: Any) -> None:
    """Raise InvalidValue for what lets a clock, or the order of trials, decide a deterministic sweep."""
    if (settings.max_concurrent or 1) > 1:
        raise InvalidValue(
            f"--deterministic runs one trial at a time, not {settings.max_concurrent}"
        )
    if settings.trial_seconds is not None:
        raise InvalidValue(
            "--deterministic: --trial-seconds lets a clock decide; --cost-limit bounds what an anytime trial costs"
        )
    if settings.budget is not None:
        raise InvalidValue(
            "--deterministic: --budget lets a clock decide how many trials there are; --trials says it"
        )
    if settings.allocation == ADAPTIVE:
        raise InvalidValue(
            "--deterministic: --allocation adaptive divides by seconds, which a clock says; equal does not"
        )
    objective = objective_named(settings.aim)
    read = dict.fromkeys([*objective.metrics, *(limit.column for limit in objective.required)])
    clocks = [name for name in read if name != SCORE and COLUMNS[name].is_clock]
    if clocks:
        raise InvalidValue(
            f"--deterministic: the objective reads a clock ({', '.join(clocks)}); relative_cost is by operations"
        )


def check_seed(seed: int, flag: str = "--seed") -> int:
    """Return the seed; raise InvalidValue, with the flag's name, if the generators do not accept it."""
    if not 0 <= seed < 2**63:
        raise InvalidValue(f"{flag} {seed} is out of range: 0..{2**63 - 1}")
    return seed


def check_name(name: str) -> str:
    """Return the name of a sweep; raise InvalidValue unless it is a plain file name."""
    plain = name.isascii() and all(c.isalnum() or c in "-_.+:" for c in name)
    if not plain or not name[:1].isalnum() or len(name) > 100:
        raise InvalidValue(
            f"--name {name[:100]!r}: up to 100 letters, digits and -_.+: , a letter or digit first"
        )
    return name
