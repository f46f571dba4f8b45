"""Forgetting examples by numbers of one's own, such as memorisation or consistency scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet
from tasks.forget_sets.index_file import read_numbers
from tasks.forget_sets.ranking import check_ranked, mark_ranked

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class GivenScores(ForgetSet):
    """FILE:WHICH:COUNT: the top, low or mid examples by a number for each, in a .npy or .txt, such as C-scores."""

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        self._parts()

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark the examples with the highest, lowest or middle numbers; raises InvalidValue for a bad file."""
        import numpy as np

        return self.mask_within(dataset, np.ones(len(dataset.train), bool))

    def mask_within(self, dataset: Dataset, present: np.ndarray) -> np.ndarray:
        """Mark them among the present examples; the file has a number for each that is stored."""
        import numpy as np

        spec = f"scores:{self.argument}"
        file, which, count = self._parts()
        scores = read_numbers(file, spec)
        if scores.shape != (len(dataset.train),) or not np.isfinite(scores.astype(float)).all():
            raise InvalidValue(
                f"{spec}: holds {scores.dtype} {scores.shape}, not a finite number for each of "
                f"{len(dataset.train)} training examples"
            )
        mask = np.zeros(len(scores), bool)
        mask[present] = mark_ranked(scores[present], which, count, self.seed, spec)
        return mask

    def _parts(self) -> tuple[str, str, int]:
        file, *rest = self.argument.rsplit(":", 2)
        return file, *check_ranked(rest, f"scores:{self.argument}", "scores:FILE:top|low|mid:COUNT")
