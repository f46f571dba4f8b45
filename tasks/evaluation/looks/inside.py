"""What a metric gets that looks inside a model: the model, those it is held against, and the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from tasks.datasets.splits import Split
    from tasks.models.network import Network

Seen = TypeVar("Seen")


@dataclass(frozen=True, eq=False, kw_only=True)
class Inside:
    """One model and its images. A look may train copies of the model, and never changes it."""

    model: Network
    make_blank: Callable[[], Network]
    """Makes a model of the family without weights."""
    load_original: Callable[[], Network]
    load_reference: Callable[[int], Network]
    """Loads reference number k."""
    count: int
    """References that there are."""
    reference: int | None
    """Which of the references this model is, if it is one: it is held against the others alone."""
    retain: Split
    forget: Split
    test: Split
    forgotten_classes: tuple[int, ...]
    known: dict[tuple[str, str], Any]
    """What looks saw in the original and in the references, by look and model: kept for a process."""

    @property
    def others(self) -> list[int]:
        """The references that this model is held against."""
        return [number for number in range(self.count) if number != self.reference]

    def copy(self, model: Network) -> Network:
        """Copy a model, with all members if it is an ensemble; its other hooks stay behind."""
        from tasks.models.ensemble import join_members, list_others

        other = self.make_blank()
        join_members(other, [self.make_blank() for _ in list_others(model)])
        other.load_state_dict(model.state_dict())
        other.eval()
        return other

    def see_original(self, name: str, look: Callable[[Network], Seen]) -> Seen:
        """Look at the original model; `name` is that of the look."""
        return self._see(name, "original", self.load_original, look)

    def see_references(self, name: str, look: Callable[[Network], Seen]) -> list[Seen]:
        """Look at each of `others`; `name` is that of the look."""
        return [
            self._see(name, str(number), lambda n=number: self.load_reference(n), look)  # type: ignore[misc]
            for number in self.others
        ]

    def measure_gap(self, name: str, look: Callable[[Network], float]) -> float | None:
        """Return what `look` sees in the model, less its mean over `others`; None without references."""
        theirs = self.see_references(name, look)
        return look(self.model) - float(np.mean(theirs)) if theirs else None

    def _see(
        self, name: str, who: str, load: Callable[[], Network], look: Callable[[Network], Seen]
    ) -> Seen:
        if (name, who) not in self.known:
            self.known[name, who] = look(load().eval())
        found: Seen = self.known[name, who]
        return found
