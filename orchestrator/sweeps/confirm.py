"""Confirming a sweep: its front is run again with fresh seeds, since the best of many values flatter.

A fresh seed trains other models, draws other splits and, where it is random, another forget set. The
sweep that runs a front again with one of them is called NAME+seed-N.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.results.objectives import front_rows, objective_named
from orchestrator.results.store import finished_trials, read_results
from orchestrator.sweeps.budget import trials_left
from orchestrator.sweeps.folder import CONFIG, stored_config, sweeps_of
from tasks.errors import InvalidValue
from tasks.search_space import EPOCHS, parameters
from tasks.unlearners import unlearner_class

Row = dict[str, Any]
Given = dict[str, list[Row]]
"""The hyper-parameters of each trial, by unlearner."""
DECIDING = ("task", "objective", "model")
"""Settings that the two sweeps must have in common."""
ADOPTED = (
    *DECIDING, "data_dir", "loader", "cost_limit", "trial_seconds", "cpus_per_trial", "gpus_per_trial",
    "max_concurrent",
)  # fmt: skip
"""Settings that are those of the confirmed sweep unless given."""
NOT_TO_GIVE = ("unlearners", "trials", "sampler", "preset", "utility_floor")
"""What runs is the front, and all of it."""
FRONT = ("role", "unlearner", "trial_id", "state", "epoch", "final", "params")
"""Columns that say what is on a front, beside those of the objective."""


def plan_repeats(name: str, seeds: int, storage: str, address: str | None) -> list[SweepConfig]:
    """The sweeps that run the front of sweep `name` again, with the `seeds` seeds after its own.

    They run where it did, or at `address`. Raises InvalidValue, as `complete_repeat` does.
    """
    if not 1 <= seeds <= 100:
        raise InvalidValue(f"--seeds {seeds} is out of range: 1..100")
    base = stored_config(name, storage)
    chosen = SweepConfig(confirms=name, storage=storage, address=address or base.address)
    return [
        complete_repeat(dataclasses.replace(chosen, seed=base.seed + number).checked())
        for number in range(1, seeds + 1)
    ]


def complete_repeat(config: SweepConfig) -> SweepConfig:
    """The configuration of a sweep that confirms another, completed from that; any other as it is.

    Raises InvalidValue if what it confirms is no sweep, has not ended, has no front or another task,
    objective or model, and for settings that it cannot have.
    """
    if config.confirms is None:
        return config
    if config.given is not None:  # it is gone on with, and the code may be another since
        return _with_given(config, config.given)
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
    config = dataclasses.replace(config, **adopted, name=config.name or config.repeat)
    assert config.name is not None
    begun = sweeps_of(config.storage).read(f"{config.name}/{CONFIG}")
    # The front may have moved since it began.
    before = stored_config(config.name, config.storage).given if begun else None
    return _with_given(config, before or proposals(base))


def proposals(base: SweepConfig) -> Given:
    """The trials on the front of a sweep, up to their last epoch on it.

    Raises InvalidValue if it has not ended, has no front, or one that cannot be run any more.
    """
    assert base.name is not None
    if any(trials_left(base, finished_trials(base.storage, base.name)).values()):
        raise InvalidValue(
            f"sweep {base.name!r} has not ended, so that its front may still move; "
            f"to go on with it: orchestrator resume {base.name} --storage {base.storage}"
        )
    objective = objective_named(base.objective)
    rows = read_results(base.storage, base.name, {*FRONT, *objective.columns}).to_pylist()
    last: dict[str, Row] = {}
    for row in front_rows(rows, objective):
        if row["trial_id"] not in last or row["epoch"] > last[row["trial_id"]]["epoch"]:
            last[row["trial_id"]] = row
    if not last:
        raise InvalidValue(f"sweep {base.name!r} has no front")
    given: Given = {}
    for trial_id, row in sorted(last.items()):
        if not row["unlearner"] or not row["params"]:
            raise InvalidValue(
                f"the rows of {trial_id} in sweep {base.name!r} do not say what it was"
            )
        params = json.loads(row["params"])
        whole = row["final"] and row["state"] == "complete"
        if EPOCHS in params and not whole:
            params[EPOCHS] = row["epoch"]
        given.setdefault(row["unlearner"], []).append(params)
    return given


def _with_given(config: SweepConfig, given: Given) -> SweepConfig:
    given = {name: [_runnable(name, params) for params in trials] for name, trials in given.items()}
    trials = max(map(len, given.values()))
    return dataclasses.replace(config, unlearners=tuple(given), trials=trials, given=given)


def _runnable(unlearner: str, params: Mapping[str, Any]) -> Row:
    """All hyper-parameters of a trial; raises InvalidValue for one that would not run as it did."""
    cls = unlearner_class(unlearner)
    whole = cls.from_params(dict(params)).params
    for name, parameter in parameters(cls).items():
        if parameter.domain is None and whole[name] != parameter.default:
            raise InvalidValue(
                f"the front has {unlearner} with {name}={whole[name]}, which is {parameter.default} "
                "by now and is not searched: it cannot be run again"
            )
    return whole
