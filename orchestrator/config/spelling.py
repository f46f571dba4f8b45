"""A command as a user may type it here: the program, and the settings of a sweep as flags."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator.config.sweep import SweepConfig, list_flags

PROGRAM = "orchestrator"


def spell_command(words: Iterable[object], program: str | None = None) -> str:
    """Spell a command line of this program so that it works where it is printed.

    What is read elsewhere, such as a report, names the `program` [default: see `spell_program`].
    """
    return f"{program or spell_program()} {shlex.join(map(str, words))}"


def spell_program() -> str:
    """Return `orchestrator` if a shell finds that of this environment, else the command that needs no activated one."""
    here, found = Path(sys.executable).parent, shutil.which(PROGRAM)
    if found and Path(found).parent.resolve() == here.resolve():
        return PROGRAM
    near = os.path.relpath(sys.executable)
    python = sys.executable if near.startswith(os.pardir) else near
    return f"{shlex.quote(python)} -m {PROGRAM}"


def spell_flags(config: SweepConfig) -> list[str]:
    """Return the flags of `sweep` that give these settings: those that differ from the defaults."""
    defaults = SweepConfig()
    words: list[str] = []
    for flag in list_flags(SweepConfig):
        name = flag.replace("-", "_")
        value = getattr(config, name)
        if value != getattr(defaults, name):
            words += _spell_flag(flag, value)
    return words


def _spell_flag(flag: str, value: Any) -> tuple[str, ...]:
    """Spell a setting as the command line reads it; a switch has no value."""
    if value is True:
        return (f"--{flag}",)
    return (f"--{flag}", *value) if isinstance(value, tuple) else (f"--{flag}", str(value))
