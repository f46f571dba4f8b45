"""Reading the arguments of forget sets; every mistake is one line that shows the right form."""

from __future__ import annotations

from tasks.errors import InvalidValue


def split_argument(argument: str, form: str, least: int | None = None) -> list[str]:
    """Split an argument at its colons into as many parts as `form` has, such as "confusion:A:B:COUNT".

    The last ones may be left out down to `least` parts. Raises InvalidValue, which shows the form.
    """
    parts = argument.split(":")
    most = form.count(":")
    if not (least or most) <= len(parts) <= most or not all(parts):
        raise InvalidValue(f"{form.partition(':')[0]}:{argument}: its form is {form}")
    return parts


def parse_count(text: str, spec: str, least: int = 1) -> int:
    """Read a whole number of at least `least`; raises InvalidValue, which names `spec`."""
    if not text.isdecimal() or int(text) < least:
        raise InvalidValue(f"{spec}: {text!r} is no whole number of at least {least}")
    return int(text)


def parse_share(text: str, spec: str, *, whole: bool = False) -> float:
    """Read a share in (0, 1), or in (0, 1] if the `whole` may be chosen; raises InvalidValue."""
    try:
        share = float(text)
        valid = 0 < share < 1 or (whole and share == 1)
    except ValueError:
        valid = False
    if not valid:
        raise InvalidValue(
            f"{spec}: the share must be a number in {'(0, 1]' if whole else '(0, 1)'}"
        )
    return share
