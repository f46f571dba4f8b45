"""How the value of a column is spelt, in tables and pictures."""

from __future__ import annotations

from orchestrator.results.columns import MEASURED

MISSING = "—"
_MEASURED = {column.name for column in MEASURED}


def spell_value(column: str, value: float | None) -> str:
    """Return a value of a column as text: three decimals for a measured fraction, else three digits."""
    if value is None:
        return MISSING
    if column in _MEASURED:
        return f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
