"""Forgetting a cluster of one class: a sub-class where the data have no finer labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.arguments import parse_count, split_argument
from tasks.forget_sets.base import LEAST
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.registry import one_of

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset
    from tasks.forget_sets.scored.base import Scores

FORM = "cluster:NAME:NUMBER:CLUSTERS"
CLUSTERS = 10
"""Clusters of a class, unless the argument says otherwise."""


@dataclass(frozen=True)
class Cluster(ScoredForgetSet):
    """NAME:NUMBER[:CLUSTERS]: one of 10 clusters of the class NAME; number 0 is the largest.

    k-means on the standardised features of the scoring model.
    """

    def __post_init__(self) -> None:
        """Raise InvalidValue unless the argument has that form."""
        self._parts()

    def check(self, dataset: Dataset) -> None:
        """Raise InvalidValue for an unknown class, listing the classes, or one too small for the clusters."""
        name, _, clusters = self._parts()
        members = dataset.train.labels == dataset.classes.index(
            one_of("class", name, dataset.classes)
        )
        if members.sum() < LEAST * clusters:
            raise InvalidValue(
                f"cluster:{self.argument}: {clusters} clusters of at least {LEAST} need "
                f"{LEAST * clusters} training examples; {name} has {members.sum()}"
            )

    def choose(self, dataset: Dataset, scores: Scores) -> np.ndarray:
        """Mark the cluster; raises InvalidValue, which tells the sizes, if it has too few examples."""
        import numpy as np

        name, number, clusters = self._parts()
        members = np.flatnonzero(dataset.train.labels == dataset.classes.index(name))
        assigned = cluster_by_size(scores.features[members], clusters, self.seed)
        chosen = members[assigned == number]
        if len(chosen) < LEAST:
            raise InvalidValue(
                f"cluster:{self.argument} has {len(chosen)} training examples, at least {LEAST} are needed; "
                f"sizes by number: {', '.join(map(str, np.bincount(assigned, minlength=clusters)))}"
            )
        mask = np.zeros(len(dataset.train), bool)
        mask[chosen] = True
        return mask

    def _parts(self) -> tuple[str, int, int]:
        spec = f"cluster:{self.argument}"
        name, number, *more = split_argument(self.argument, FORM, least=2)
        clusters = parse_count(more[0], spec, 2) if more else CLUSTERS
        if not number.isdecimal() or int(number) >= clusters:
            raise InvalidValue(f"{spec}: valid numbers of clusters: 0..{clusters - 1}")
        return name, int(number), clusters


def cluster_by_size(features: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Assign N examples with features (N, D) to clusters 0, 1, …, the largest first; k-means, seeded.

    Each feature is brought to mean 0 and variance 1 first; a constant one stays 0.
    """
    import numpy as np
    from sklearn.cluster import KMeans

    values = np.asarray(features, np.float64)
    spread = values.std(0)
    standard = (values - values.mean(0)) / np.where(spread > 0, spread, 1.0)
    found = KMeans(clusters, n_init=10, random_state=seed % 2**32).fit_predict(standard)
    sizes = np.bincount(found, minlength=clusters)
    rank = np.empty(clusters, np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(clusters)
    return rank[found]
