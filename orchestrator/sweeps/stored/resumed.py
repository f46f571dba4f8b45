"""A stored sweep as it is resumed: what the user has to allow, and what the user may change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.config import SweepConfig
from orchestrator.config.spelling import spell_command
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.stored.named_code import list_code_of_config, refuse_unnamed
from tasks.errors import InputError, InvalidValue, StorageError, StorageFault


def read_to_resume(
    name: str,
    storage: str,
    address: str | None = None,
    code: Sequence[str] = (),
    trials: int | None = None,
    log: Sequence[str] = (),
) -> SweepConfig:
    """Read the configuration of a sweep that is to be resumed at `address`, or else where it ran.

    `code` is what the user allows the store to import, and `trials` the new number of trials per method, if
    the sweep is to have more. `log` names its loggers, of which none is stored. Raises InvalidValue for an unknown
    sweep, for one that names other code, and for fewer trials than before.
    """
    config = read_config(name, storage)
    refuse_unnamed(name, list_code_of_config(config), code)
    config = dataclasses.replace(
        config, address=address or config.address, code=tuple(code), log=tuple(log)
    )
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
    before = config.trials or 1
    if config.confirms:
        raise InvalidValue(
            f"--trials: sweep {config.name!r} runs points of {config.confirms!r} again, once each; for more, "
            f"give more seeds to: {spell_command(['confirm', config.confirms])}"
        )
    if trials < before:
        raise InvalidValue(
            f"--trials {trials}: sweep {config.name!r} has {before} per method already, and no trial is dropped; "
            f"give {before + 1} or more"
        )
    return dataclasses.replace(config, trials=trials, more_trials=trials > before)
