"""What is done to the words of a command before they become settings: a file is read, fractions are refused."""

from __future__ import annotations

import typing
from typing import Any

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from orchestrator.config import JobConfig, list_flags, read_settings
from tasks.errors import InvalidValue

FILE = "--config"


def read_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Add the settings in the file that `--config` names; those of the command line go before them."""
    for argument in arguments:
        if argument.name == FILE and argument.tokens:
            path = argument.tokens[-1].value
            given = read_settings(path, list_flags(JobConfig))
            Dict(given, use_commands_as_keys=False, source=path)(app, commands, arguments)


def refuse_fractions(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Raise InvalidValue where a whole number is asked for and another is given: cyclopts would round it."""
    for argument in arguments:
        if not is_whole(argument.hint):
            continue
        for token in argument.tokens:
            if "." in token.value and not _spells_whole(token.value):
                raise InvalidValue(f"{argument.name} {token.value} is not a whole number")


def is_whole(hint: Any) -> bool:
    """Tell whether values of this type are whole numbers, or None."""
    return set(typing.get_args(hint) or (hint,)) - {type(None)} == {int}


def _spells_whole(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return True  # no number: cyclopts says so
