"""Durations in words."""

from __future__ import annotations


def spell_duration(seconds: float) -> str:
    """Return seconds as a short text: "40 s", "5 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
