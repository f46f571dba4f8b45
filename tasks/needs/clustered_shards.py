"""Shards of similar images, by GraphEraser's balanced clusters (Chen et al., 2022, "Graph unlearning", CCS, BEKM)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tasks.needs.shards import Shards

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from tasks.datasets.splits import Split

SIDE = 8
"""Pixels to which each side of an image is averaged, at most, before images are compared."""
ROUNDS = 20
"""Most rounds of the clustering, as in the authors' code."""


class ClusteredShards(Shards):
    """Five models as of `shards`, but each of a cluster of similar images; all clusters are equally large.

    A class, whose images are alike, lies in few shards. GraphEraser clusters learned embeddings of a graph's nodes. It
    is the pixels of images here, averaged to at most 8×8: an embedding would have learned from the forget set. Still,
    the centroids depend on all images: the others are not quite where they would be without the forget set.
    """

    def partition(self, everything: Split, rng: torch.Generator) -> list[Tensor]:
        """Cut the training examples into clusters: the indices (K,) of each."""
        import torch
        from torch.nn.functional import adaptive_avg_pool2d

        seen = []
        for x, _ in everything.ordered():
            size = min(SIDE, x.shape[2]), min(SIDE, x.shape[3])
            seen.append(adaptive_avg_pool2d(x, size).flatten(1).double().cpu())
        cluster = find_balanced_clusters(torch.cat(seen), self.shards, rng)
        return [torch.nonzero(cluster == number)[:, 0] for number in range(self.shards)]


def find_balanced_clusters(features: Tensor, clusters: int, rng: torch.Generator) -> Tensor:
    """Assign points (N, D) to clusters (N,) of at most ⌈N / clusters⌉ points each.

    K-means, in which pairs of a point and a centroid are taken from near to far: a point joins the first cluster
    that is not full. It ends when no point changes, or after ROUNDS.
    """
    import torch

    size = math.ceil(len(features) / clusters)
    centroids = features[torch.randperm(len(features), generator=rng)[:clusters]]
    before = torch.full((len(features),), -1)
    for _ in range(ROUNDS):
        found = fill_clusters(torch.cdist(features, centroids), size)
        if torch.equal(found, before):
            break
        before = found
        members = [features[found == number] for number in range(len(centroids))]
        centroids = torch.stack(
            [m.mean(0) if len(m) else old for m, old in zip(members, centroids, strict=True)]
        )
    return before


def fill_clusters(distances: Tensor, size: int) -> Tensor:
    """Assign points to clusters of at most `size` by their distances (N, K), the nearest pair first: (N,)."""
    import torch

    clusters = distances.shape[1]
    found, room = [-1] * len(distances), [size] * clusters
    for pair in distances.flatten().argsort(stable=True).tolist():
        point, cluster = divmod(pair, clusters)
        if found[point] < 0 and room[cluster]:
            found[point] = cluster
            room[cluster] -= 1
    return torch.tensor(found)
