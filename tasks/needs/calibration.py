"""The calibration split: see tasks/datasets/halves.py for how it is cut."""

from __future__ import annotations

from tasks.needs.base import Need


class Calibration(Need):
    """A tenth of the held-out images, which the original never saw and no result reads."""
