"""How many trials each unlearner has left: an equal budget for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.studies import UnlearnerStudy


def trials_left(
    studies: Sequence[UnlearnerStudy],
    trials: int,
    finished: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, int]:
    """Trials still to be run, by unlearner: `trials` each, one where there is nothing to search.

    `finished` are the rows of the trials that are in the store.
    """
    left = {study.unlearner: trials if study.searchable else 1 for study in studies}
    for rows in finished.values():
        unlearner = rows[-1]["unlearner"]
        if rows[-1]["role"] == "trial" and unlearner in left:
            left[unlearner] = max(0, left[unlearner] - 1)
    return left
