"""What was verified of a method: where its rule was read, and what tests show of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verified:
    """What was verified of a method, as `orchestrator list unlearners` shows it."""

    rule: str
    """Where its rule and its defaults were read. Code was read, not run."""
    shown: tuple[str, ...]
    """What tests show of its rule. Each sentence is the name of a test, its words joined by `_`."""

    def __str__(self) -> str:
        return f"rule from {self.rule}. Tests: {'; '.join(self.shown)}"


def verified_of(cls: type) -> Verified | None:
    """Return what was verified of a method; None if its own class does not say, whatever it extends."""
    found = vars(cls).get("verified")
    return found if isinstance(found, Verified) else None
