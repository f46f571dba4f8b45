"""Numbers of a column as text, with the same number of decimals."""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST, MOST = 3, 4
"""Decimals of a number: four only where three would leave a single digit of the smallest one."""
LARGE = 1e6
"""Numbers from here on are written with an exponent."""
MISSING = "-"


def spell_column(values: Sequence[float | None]) -> list[str]:
    """Return the numbers of a column, with even decimals; whole numbers have none, and None is a dash."""
    known = [v for v in values if v is not None]
    finite = [abs(v) for v in known if math.isfinite(v)]
    if any(v >= LARGE for v in finite):
        return [MISSING if v is None else f"{v:.3g}" for v in values]
    if all(isinstance(v, int) for v in known):
        return [MISSING if v is None else str(v) for v in values]
    least = min((v for v in finite if v), default=1.0)
    decimals = min(MOST, max(FEWEST, 1 - math.floor(math.log10(least))))
    return [MISSING if v is None else f"{v:.{decimals}f}" for v in values]


def spell_number(value: object) -> str:
    """Return one number, or anything else, with up to four digits."""
    if value is None:
        return MISSING
    return f"{value:.4g}" if isinstance(value, float) else str(value)
