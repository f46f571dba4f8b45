"""Training images in a memory-mapped file, of which each batch is copied to the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tasks.datasets.dataset import LabelledImages
from tasks.datasets.splits import Batch


class MappedSource:
    """Images that stay in the file: for sets that are larger than a GPU's memory. See `splits.Source`."""

    name = "mapped"

    def __init__(self, data: LabelledImages, device: torch.device) -> None:
        self.device = device
        self._images, self._labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)

    def read(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """See `Source.read`."""
        for chunk in order.cpu().split(batch_size):
            yield self._images[chunk].to(self.device), self._labels[chunk].to(self.device)
