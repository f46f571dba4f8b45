"""Durations as people write them in settings: 30m, 1h30m, 90s."""

from __future__ import annotations

import re

from tasks.errors import InvalidValue

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
FORM = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
LEAST, MOST = 10.0, 366 * 24 * 3600.0


def read_duration(flag: str, text: str) -> float:
    """Return the seconds of a duration such as 30m, 1h30m or 90s; `flag` is the setting that it is of.

    Raises InvalidValue for another form, for less than ten seconds, and for more than a year.
    """
    found = FORM.fullmatch(text.strip().lower())
    if not found or not any(found.groups()):
        raise InvalidValue(f"--{flag} {text}: not a duration such as 30m, 1h30m or 90s")
    seconds = sum(
        float(part) * unit
        for part, unit in zip(found.groups(), UNITS.values(), strict=True)
        if part
    )
    if not LEAST <= seconds <= MOST:
        raise InvalidValue(f"--{flag} {text} is out of range: 10s to a year (8784h)")
    return seconds
