"""What a metric gets that looks inside a model: the model, those it is held against, and the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tasks.datasets.splits import Split
    from tasks.models.network import Network

Look = Callable[["Inside", "Network"], "float | None"]
"""Reads one number off one model; None where it is undefined."""


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
    known: dict[tuple[str, str], float | None]
    """What looks saw in the original and in the references, by look and model: kept for a process."""

    @property
    def others(self) -> list[int]:
        """The references that this model is held against."""
        return [number for number in range(self.count) if number != self.reference]

    def copy(self, model: Network) -> Network:
        """Copy a model; hooks on the model stay behind."""
        other = self.make_blank()
        other.load_state_dict(model.state_dict())
        other.eval()
        return other

    def see_original(self, name: str, look: Look) -> float | None:
        """Look at the original model; `name` is that of the look."""
        return self._see(name, "original", self.load_original, look)

    def see_reference(self, name: str, number: int, look: Look) -> float | None:
        """Look at a reference; `name` is that of the look."""
        return self._see(name, str(number), lambda: self.load_reference(number), look)

    def measure_gap(self, name: str, look: Look) -> float | None:
        """Return what `look` sees in the model, less its mean over the references; `name` is the look's.

        None without references, and where the look is undefined.
        """
        theirs = [self.see_reference(name, number, look) for number in self.others]
        found = [value for value in theirs if value is not None]
        own = look(self, self.model) if found else None
        return own - float(np.mean(found)) if own is not None else None

    def _see(self, name: str, who: str, load: Callable[[], Network], look: Look) -> float | None:
        if (name, who) not in self.known:
            self.known[name, who] = look(self, load().eval())
        return self.known[name, who]
