"""A stored sweep as it is resumed: what the user has to allow, and what the user may change."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from orchestrator.config import SweepConfig
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.stored.named_code import list_code_of_config, refuse_unnamed


def read_to_resume(
    name: str, storage: str, address: str | None = None, code: Sequence[str] = ()
) -> SweepConfig:
    """Read the configuration of a sweep that is to be resumed at `address`, or else where it ran.

    `code` is what the user allows the store to import. Raises InvalidValue for an unknown sweep, and for
    one that names other code.
    """
    config = read_config(name, storage)
    refuse_unnamed(name, list_code_of_config(config), code)
    return dataclasses.replace(config, address=address or config.address, code=tuple(code))
