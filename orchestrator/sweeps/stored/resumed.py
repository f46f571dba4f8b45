"""A stored sweep as it is resumed: what the user has to allow, and what the user may change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.config import SweepConfig
from orchestrator.config.spelling import spell_command
from orchestrator.config.wall_time import read_duration
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.budget import count_ended, count_per_method
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.stored.named_code import list_code_of_config, refuse_unnamed
from tasks.errors import InputError, InvalidValue, StorageError, StorageFault

COUNTED = "trial_id", "role", "unlearner", "epoch", "final"
"""Columns by which trials are counted."""


def read_to_resume(
    name: str,
    storage: str,
    address: str | None = None,
    code: Sequence[str] = (),
    trials: int | None = None,
    log: Sequence[str] = (),
    budget: str | None = None,
) -> SweepConfig:
    """Read the configuration of a sweep that is to be resumed at `address`, or else where it ran.

    `code` is what the user allows the store to import, and `trials` the new number of trials per method, if
    the sweep is to have more; `budget` is the wall time that it may take from now on, whose end no number of trials
    anticipates unless both are given. `log` names its loggers, of which none is stored. Raises InvalidValue for an
    unknown sweep, for one that names other code, for fewer trials than before, and for what is no duration.
    """
    config = read_config(name, storage)
    refuse_unnamed(name, list_code_of_config(config), code)
    config = dataclasses.replace(
        config, address=address or config.address, code=tuple(code), log=tuple(log)
    )
    if budget is not None:
        return _ask_for_time(config, budget, trials)
    return config if trials is None else _ask_for_trials(config, trials)


def spell_resume(config: SweepConfig, *flags: str) -> str:
    """Spell the command that resumes a sweep, with these flags, its storage root, and the code that it names."""
    words = ["resume", str(config.name), *flags, "--storage", config.storage]
    code = list_code_of_config(config)
    return spell_command([*words, "--code", ",".join(code)] if code else words)


def explain_resume(config: SweepConfig) -> str:
    """Say that a sweep which ended too early has kept what is finished, and how to go on."""
    return f"finished trials are kept; to go on: {spell_resume(config)}"


@contextmanager
def resumable(config: SweepConfig) -> Iterator[None]:
    """Add how to go on to whatever ends the block too early; a bucket that goes away is no bad input."""
    hint = explain_resume(config)
    try:
        yield
    except StorageError as error:
        raise StorageFault(f"{error}; {hint}") from error
    except InputError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        error.add_note(hint)
        raise


def _ask_for_trials(config: SweepConfig, trials: int) -> SweepConfig:
    """Return the configuration with so many trials per method; nothing is stored before the sweep runs."""
    _refuse_repeats(config, "--trials")
    before = config.trials or _count_stored(config)
    if trials < before:
        raise InvalidValue(
            f"--trials {trials}: sweep {config.name!r} has {before} per method already, and no trial is dropped; "
            f"give {before + 1} or more"
        )
    if config.budget is None:
        return dataclasses.replace(config, trials=trials, more_trials=trials > before)
    # Asked for by a number, they take the time that they take.
    plain = dataclasses.replace(config, budget=None, granted_at=None, budgets=None)
    return dataclasses.replace(plain, trials=trials, more_trials=True)


def _count_stored(config: SweepConfig) -> int:
    """Return how many trials per method there are of a sweep that time alone ends: by its rows, or as it ended."""
    rows = read_finished_trials(config.storage, str(config.name), lambda *_: None, COUNTED)
    noted = config.budgets or {}
    ended = {name: max(n, noted.get(name, 0)) for name, n in count_ended(config, rows).items()}
    return count_per_method(config, ended)


def _ask_for_time(config: SweepConfig, budget: str, trials: int | None) -> SweepConfig:
    """Return the configuration with so much more wall time; it counts from the moment that the sweep runs."""
    _refuse_repeats(config, "--budget")
    read_duration("budget", budget)
    asked = config if trials is None else _ask_for_trials(config, trials)
    return dataclasses.replace(
        asked, trials=trials, budget=budget, granted_at=None, budgets=None, more_trials=True
    )


def _refuse_repeats(config: SweepConfig, flag: str) -> None:
    if config.confirms:
        raise InvalidValue(
            f"{flag}: sweep {config.name!r} runs points of {config.confirms!r} again, once each; for more, "
            f"give more seeds to: {spell_command(['confirm', config.confirms])}"
        )
