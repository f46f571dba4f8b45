"""Confirmation of a sweep: its front, or a point of each method, runs again with fresh seeds.

The reason: the best of many noisy values look better than they are. A fresh seed trains other models
and draws other splits and, if it is random, another forget set. The sweep that runs the front again
with seed N is called NAME+seed-N, the one that runs a point of each method NAME+methods-seed-N. Both
have the same models, which are trained once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.results.objectives import objective_named
from orchestrator.results.recommendation import NEEDED, POINTS
from orchestrator.results.store import read_finished_trials, read_results
from orchestrator.search.narrowing import keep_assignments
from orchestrator.sweeps.budget import trials_left
from orchestrator.sweeps.folder import CONFIG, open_sweeps, read_config
from orchestrator.sweeps.stored.named_code import list_code, list_code_of_config, refuse_unnamed
from orchestrator.sweeps.stored.resumed import spell_resume
from orchestrator.worker.settings import EVERYTHING
from tasks.errors import InvalidValue
from tasks.evaluation import choose_metrics, list_of_shadows, names_shadows
from tasks.search_space import EPOCHS
from tasks.sequences.requests import refuse_sequence
from tasks.unlearners import unlearner_class

Row = dict[str, Any]
Given = dict[str, list[Row]]
"""The hyper-parameters of each trial, by unlearner."""
SHARED = ("task", "objective", "require", "model", "recipe", "original", "calibration")
"""Settings that the two sweeps must have in common."""
ADOPTED = (
    *SHARED, "set", "original_hash", "data_dir", "label_column", "image_size", "loader", "references", "cost_limit",
    "deterministic", "trial_seconds", "cpus_per_trial", "gpus_per_trial", "max_concurrent",
)  # fmt: skip
"""Settings that a confirming sweep takes from the confirmed one unless they are given."""
NOT_TO_GIVE = (
    "unlearners",
    "set",
    "trials",
    "budget",
    "first",
    "warm_start",
    "allocation",
    "sampler",
    "preset",
)
"""Settings that a confirming sweep cannot have: it runs the chosen points and nothing else."""


def plan_repeats(
    name: str,
    seeds: int,
    storage: str,
    address: str | None,
    points: str = SweepConfig.points,
    metrics: str = SweepConfig.metrics,
    code: tuple[str, ...] = (),
    shadows: int = SweepConfig.shadows,
    keep_shadows: bool = SweepConfig.keep_shadows,
) -> list[SweepConfig]:
    """Return the sweeps that run points of sweep `name` again, with the next `seeds` seeds.

    They run at `address`, or else where the sweep ran, and may import the `code` that the user named.
    Shadow models are those of the first fresh seed: their own seeds are many. Raises InvalidValue as
    `complete_repeat` does.
    """
    check_seeds(seeds)
    base = read_config(name, storage)
    where = address or base.address
    refuse_unnamed(name, list_code_of_config(base), code)
    chosen = SweepConfig(
        confirms=name, points=points, metrics=metrics, storage=storage, address=where, code=code,
        shadows=shadows, keep_shadows=keep_shadows,
    )  # fmt: skip
    # Without shadow metrics the text stays as given: a begun confirmation goes on under its name.
    others = metrics
    if names_shadows(metrics):
        refuse_sequence(base.task or "", "--metrics by shadow models")
        others = ",".join(n for n in choose_metrics(metrics) if n not in list_of_shadows())
    return [
        complete_repeat(
            dataclasses.replace(
                chosen, seed=base.seed + number, metrics=metrics if number == 1 else others
            ).validate()
        )
        for number in range(1, seeds + 1)
    ]


def check_seeds(seeds: int) -> int:
    """Return the number of fresh seeds; raise InvalidValue if it is out of range."""
    if not 1 <= seeds <= 100:
        raise InvalidValue(f"--seeds {seeds} is out of range: 1..100")
    return seeds


def complete_repeat(config: SweepConfig) -> SweepConfig:
    """Return a confirming sweep's configuration, completed from the confirmed sweep.

    The configuration of any other sweep is returned unchanged. Raises InvalidValue if the confirmed
    sweep is unknown, has not ended, or has no such points. Raises InvalidValue, too, for another task,
    objective or model than the confirmed sweep's, and for settings that cannot be given.
    """
    if config.confirms is None:
        return config
    if config.given is not None:  # the sweep is resumed; the code may have changed since
        return _with_given(config, config.given)
    base, plain = read_config(config.confirms, config.storage), SweepConfig()
    named = [*list_code_of_config(config), *config.code]
    refuse_unnamed(base.name, list_code_of_config(base), named)
    if base.confirms:
        raise InvalidValue(
            f"sweep {base.name!r} confirms another sweep: confirm {base.confirms} instead"
        )
    if config.seed == base.seed:
        raise InvalidValue(
            f"--seed {config.seed} is the seed of sweep {base.name!r} itself: give another"
        )
    for field in NOT_TO_GIVE:
        if getattr(config, field) != getattr(plain, field):
            raise InvalidValue(
                f"--{field.replace('_', '-')} cannot be given: a confirmation runs points of {base.name!r} again"
            )
    for field in SHARED:
        if getattr(config, field) not in (getattr(plain, field), getattr(base, field)):
            raise InvalidValue(f"--{field} is {getattr(base, field)} in sweep {base.name!r}")
    adopted = {f: getattr(base, f) for f in ADOPTED if getattr(config, f) == getattr(plain, f)}
    config = dataclasses.replace(config, **adopted, name=config.name or config.repeat_name)
    assert config.name is not None
    begun = open_sweeps(config.storage).read(f"{config.name}/{CONFIG}")
    # The points may have changed since this sweep began.
    before = read_config(config.name, config.storage).given if begun else None
    given = before or list_proposals(base, config.points)
    refuse_unnamed(base.name, list_code(given), named)
    return _with_given(config, given)


def list_proposals(base: SweepConfig, points: str) -> Given:
    """List the trials of the chosen points of a sweep, each up to its last epoch among them.

    Raises InvalidValue if the sweep has not ended or has no such points, and if its trials cannot be
    run any more.
    """
    assert base.name is not None
    if any(trials_left(base, read_finished_trials(base.storage, base.name)).values()):
        raise InvalidValue(
            f"sweep {base.name!r} has not ended, so its points may still change; "
            f"to continue it: {spell_resume(base)}"
        )
    objective = objective_named(base.aim)
    rows = read_results(base.storage, base.name, {*NEEDED, *objective.columns}).to_pylist()
    last: dict[str, Row] = {}
    for row in POINTS[points](rows, objective):
        if row["trial_id"] not in last or row["epoch"] > last[row["trial_id"]]["epoch"]:
            last[row["trial_id"]] = row
    if not last:
        raise InvalidValue(f"sweep {base.name!r} has no {points}")
    given: Given = {}
    for trial_id, row in sorted(last.items()):
        if not row["unlearner"] or not row["params"]:
            raise InvalidValue(
                f"the rows of {trial_id} in sweep {base.name!r} lack its method or hyper-parameters"
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
    kept = keep_assignments(config.set, tuple(given))
    # Points on the way to the end of a trial are repeats as well, whatever fresh seeds make of them.
    return dataclasses.replace(
        config, unlearners=tuple(given), set=kept, trials=trials, given=given, measure=EVERYTHING
    )


def _runnable(unlearner: str, params: Mapping[str, Any]) -> Row:
    """Return all hyper-parameters of a trial; raise InvalidValue if its method no longer takes them."""
    return unlearner_class(unlearner).from_params(dict(params)).params
