"""Forgetting examples whose features lie among those of the others, or apart from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.forget_sets.arguments import parse_count, split_argument
from tasks.forget_sets.base import LEAST, check_size
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.registry import one_of

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.scored.base import Scores

FORM = "entangled:hi|lo:COUNT"


@dataclass(frozen=True)
class Entangled(ScoredForgetSet):
    """WHICH:COUNT: the group of examples most (hi) or least (lo) entangled with the others in feature space.

    The examples are cut into groups of COUNT by their distance from the mean of all features; the group
    with the highest or the lowest score is forgotten. Source: Zhao et al. (RUM), 2024.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        which, count = split_argument(self.argument, FORM)
        one_of("choice", which, ("hi", "lo"))
        parse_count(count, f"entangled:{self.argument}", LEAST)

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue if too few examples are forgotten or retained."""
        count = int(self.argument.partition(":")[2])
        check_size(f"entangled:{self.argument}", count, len(dataset.train))

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the group; examples left over, nearest to the mean, are in none."""
        import numpy as np

        which, count = self.argument.split(":")
        features = scores.features.astype(np.float64)
        masks = group_by_distance(features, int(count))
        found = [measure_entanglement(features, mask) for mask in masks]
        return masks[int(np.argmax(found) if which == "hi" else np.argmin(found))]


def group_by_distance(features: np.ndarray, count: int) -> list[np.ndarray]:
    """Cut N examples with features (N, D) into groups of `count`, the farthest from the mean first."""
    import numpy as np

    order = np.argsort(-np.linalg.norm(features - features.mean(0), axis=1), kind="stable")
    masks = []
    for start in range(0, len(features) - count + 1, count):
        mask = np.zeros(len(features), bool)
        mask[order[start : start + count]] = True
        masks.append(mask)
    return masks


def measure_entanglement(features: np.ndarray, mask: np.ndarray) -> float:
    """Measure how entangled the marked examples are with the others: the entanglement score ES.

    The variances of the two sets, added, over half the squared distances of their means from the mean of
    the two means. High is entangled; infinite if the means coincide. Source: Goldblum et al., 2020;
    Zhao et al. (RUM), 2024, eq. 1.
    """
    import numpy as np

    kept, gone = features[~mask], features[mask]
    means = kept.mean(0), gone.mean(0)
    middle = (means[0] + means[1]) / 2
    within = sum(
        float(((part - mean) ** 2).sum(1).mean())
        for part, mean in zip((kept, gone), means, strict=True)
    )
    between = sum(float(((mean - middle) ** 2).sum()) for mean in means) / 2
    return within / between if between > 0 else float(np.inf)
