"""What a sweep that exists already says of the settings that are not given again."""

from __future__ import annotations

import dataclasses

from orchestrator.config import DEFAULT_UNLEARNERS, SweepConfig
from orchestrator.config.spelling import spell_command
from orchestrator.search.narrowing import keep_assignments
from orchestrator.sweeps.folder import CONFIG, open_sweeps, read_config
from orchestrator.sweeps.stored.named_code import list_code_of_config, refuse_unnamed
from orchestrator.sweeps.stored.size import adopt_size, list_more
from tasks.errors import InvalidValue


def adopt_stored(config: SweepConfig) -> SweepConfig:
    """Return the configuration, completed from the sweep of that name, if there is one.

    Raises InvalidValue if the sweep exists with another configuration.
    """
    if config.name is None or not open_sweeps(config.storage).read(f"{config.name}/{CONFIG}"):
        return config
    before = read_config(config.name, config.storage)
    config = _leave_out_again(config, before)
    filled = dataclasses.replace(
        config,
        task=config.task or before.task,
        unlearners=config.unlearners or before.unlearners,
        set=config.set or before.set,
        require=config.require or before.require,
        **adopt_size(config, before),
        warm_points=before.warm_points,
        left_out=before.left_out,
        references=config.references or before.references,
        metrics=config.metrics or before.metrics,
        model=before.model if config.model == "auto" else config.model,
        calibration=config.calibration or before.calibration,
        deterministic=config.deterministic or before.deterministic,
        recipe=config.recipe or before.recipe,
        original=config.original or before.original,
        original_hash=config.original_hash or before.original_hash,
        data_dir=config.data_dir or before.data_dir,
        label_column=config.label_column or before.label_column,
        image_size=config.image_size or before.image_size,
        optuna_storage=config.optuna_storage or before.optuna_storage,
    )
    # What the user gave names code; what only the store gave may not.
    refuse_unnamed(
        config.name, list_code_of_config(filled), [*list_code_of_config(config), *config.code]
    )
    _refuse_differences(filled, before)
    return filled


def _refuse_differences(filled: SweepConfig, before: SweepConfig) -> None:
    """Raise InvalidValue, which says how to go on, for settings that are not those of the stored sweep."""
    assert filled.name is not None
    more = list_more(filled, before)
    grown = before
    if more or filled.more_trials:
        grown = dataclasses.replace(before, trials=filled.trials, budget=filled.budget)
    different = (grown if filled.more_trials else before).list_differences(filled)
    if different:
        only_more = more * (not grown.list_differences(filled))
        raise InvalidValue(
            f"sweep {filled.name!r} exists with another configuration ({'; '.join(different)}); "
            "choose another --name, or go on with it by: "
            + spell_command(["resume", filled.name, *only_more, "--storage", filled.storage])
        )


def _leave_out_again(config: SweepConfig, before: SweepConfig) -> SweepConfig:
    """Return the settings without the methods that the sweep began without, so that the same command goes on with it.

    They are unchanged if no other method is asked for.
    """
    asked = config.unlearners or DEFAULT_UNLEARNERS
    kept = tuple(name for name in asked if name not in before.left_out)
    if not kept or kept == asked:
        return config
    # What is of no use to any of them is a mistake, and refused later.
    useful, still = (keep_assignments(config.set, methods) for methods in (asked, kept))
    given = tuple(text for text in config.set if text in still or text not in useful)
    return dataclasses.replace(config, unlearners=kept if config.unlearners else (), set=given)
