"""What a method may need beyond what every problem has: one file each, and one line here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.registry import Registry

if TYPE_CHECKING:
    from tasks.needs.base import Need

CALIBRATION = "calibration"
NEEDS = Registry(
    "need",
    "orchestrator.needs",
    {
        CALIBRATION: "tasks.needs.calibration:Calibration",
        "checkpoints": "tasks.needs.checkpoints:Checkpoints",
        "update_log": "tasks.needs.update_log:UpdateLog",
        "shards": "tasks.needs.shards:Shards",
        "clustered_shards": "tasks.needs.clustered_shards:ClusteredShards",
        "noisy_training": "tasks.needs.noisy_training:NoisyTraining",
    },
)
"""What a method may declare in `needs`. What it then finds there, its class says in its first line."""


def check_needs(who: str, needs: Iterable[str]) -> None:
    """Raise InvalidValue, in one line that names `who`, if they need what no problem offers."""
    unknown = sorted(need for need in needs if not NEEDS.has(need))
    if unknown:
        raise InvalidValue(
            f"{who} needs {', '.join(unknown)}, which no problem offers; valid: {', '.join(NEEDS.names())}"
        )


def need_class(name: str) -> type[Need]:
    """Find the class of a need; raises InvalidValue for an unknown name, listing the valid ones."""
    cls = NEEDS.resolve(name)
    from tasks.needs.base import Need

    if not (isinstance(cls, type) and issubclass(cls, Need)):
        raise InvalidValue(f"need {name!r} is not a subclass of tasks.needs.base.Need")
    return cls


def trained_need(name: str) -> Need:
    """Make a need that is trained; raises InvalidValue for one that is not, and for an unknown name."""
    need = need_class(name)()
    if not need.trainings:
        raise InvalidValue(f"need {name!r} is not trained beforehand")
    return need


def list_trained(needs: Iterable[str]) -> tuple[str, ...]:
    """List, in alphabetical order, those of the needs that are trained before the trials."""
    return tuple(sorted(name for name in set(needs) if need_class(name).trainings))


def list_replaying(needs: Iterable[str]) -> tuple[str, ...]:
    """List, in alphabetical order, those of the needs that repeat the training of the original."""
    return tuple(sorted(name for name in set(needs) if need_class(name).replays_training))


def check_replayable(given: object | None, needs: Iterable[str], who: str) -> None:
    """Raise InvalidValue, which names `who`, if the original is `given` and they repeat its training."""
    found = list_replaying(needs)
    if given is not None and found:
        raise InvalidValue(
            f"{who} needs {', '.join(found)}: from the training of the original, which --original does not have"
        )
