"""Confirming a sweep: its front is run again with fresh seeds, since the best of many values flatter.

A fresh seed trains other models, draws other splits and, where it is random, another forget set. The
sweep that runs a front again with one of them is called NAME+seed-N.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.early_stopping import EPOCHS
from orchestrator.objectives import front_rows, objective_named
from orchestrator.store import read_results
from orchestrator.sweep_folder import stored_config
from tasks.search_space import InvalidValue
from tasks.unlearners import unlearner_class

Row = dict[str, Any]
DECIDING = ("task", "objective", "model")
"""Settings that the two sweeps must have in common."""
ADOPTED = (
    *DECIDING, "data_dir", "loader", "cost_limit", "cpus_per_trial", "gpus_per_trial", "max_concurrent",
)  # fmt: skip
"""Settings that are those of the confirmed sweep unless given."""
NOT_TO_GIVE = ("unlearners", "trials", "sampler", "preset", "utility_floor")
"""What runs is the front, and all of it."""


def confirmations(name: str, seeds: int, storage: str, address: str | None) -> list[SweepConfig]:
    """The sweeps that run the front of sweep `name` again, with the `seeds` seeds after its own.

    They run where it did, or at `address`. Raises InvalidValue, as `confirming` does.
    """
    if not 1 <= seeds <= 100:
        raise InvalidValue(f"--seeds {seeds} is out of range: 1..100")
    base = stored_config(name, storage)
    chosen = SweepConfig(confirms=name, storage=storage, address=address or base.address)
    return [
        confirming(dataclasses.replace(chosen, seed=base.seed + number).checked())
        for number in range(1, seeds + 1)
    ]


def confirming(config: SweepConfig) -> SweepConfig:
    """The configuration of a sweep that confirms another, completed from that; any other as it is.

    Raises InvalidValue if what it confirms is no sweep, has no front or another task, objective or
    model, and for settings that it cannot have.
    """
    if config.confirms is None or config.given is not None:
        return config
    base, plain = stored_config(config.confirms, config.storage), SweepConfig()
    if base.confirms:
        raise InvalidValue(f"sweep {base.name!r} confirms one itself: confirm {base.confirms}")
    if config.seed == base.seed:
        raise InvalidValue(
            f"--seed {config.seed} is that of sweep {base.name!r} itself: give another"
        )
    for field in NOT_TO_GIVE:
        if getattr(config, field) != getattr(plain, field):
            raise InvalidValue(
                f"--{field.replace('_', '-')} cannot be given: the front of {base.name!r} is run again"
            )
    for field in DECIDING:
        if getattr(config, field) not in (getattr(plain, field), getattr(base, field)):
            raise InvalidValue(f"--{field} is {getattr(base, field)} in sweep {base.name!r}")
    adopted = {f: getattr(base, f) for f in ADOPTED if getattr(config, f) == getattr(plain, f)}
    given = proposals(base)
    return dataclasses.replace(
        config,
        **adopted,
        name=config.name or f"{base.name}+seed-{config.seed}",
        unlearners=tuple(given),
        trials=max(map(len, given.values())),
        given=given,
    )


def proposals(base: SweepConfig) -> dict[str, list[Row]]:
    """The hyper-parameters of the trials on a sweep's front, up to their last epoch on it, by method.

    Raises InvalidValue if there is none, or one that its method does not take any more.
    """
    objective = objective_named(base.objective)
    columns = ("role", "unlearner", "trial_id", "state", "epoch", "params", *objective.columns)
    rows = read_results(base.storage, base.name, columns).to_pylist()
    last: dict[str, Row] = {}
    for row in front_rows(rows, objective):
        if row["trial_id"] not in last or row["epoch"] > last[row["trial_id"]]["epoch"]:
            last[row["trial_id"]] = row
    if not last:
        raise InvalidValue(f"sweep {base.name!r} has no front yet")
    given: dict[str, list[Row]] = {}
    for _, row in sorted(last.items()):
        params = json.loads(row["params"])
        if EPOCHS in params:
            params[EPOCHS] = row["epoch"]
        params = unlearner_class(row["unlearner"]).from_params(params).params
        given.setdefault(row["unlearner"], []).append(params)
    return given
