"""The two ways to read training images: resident on the device, or FFCV's memory-mapped .beton."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.registry import one_of

if TYPE_CHECKING:
    import torch

    from tasks.datasets.dataset import Dataset
    from tasks.datasets.splits import Source

LOADERS: dict[str, str] = {
    "auto": "resident: as fast as ffcv on a CPU, ready sooner, less memory (benchmarks/loaders.py)",
    "ffcv": "ffcv.Loader over a .beton that all processes of a machine share",
    "resident": "one uint8 tensor on the device; on a CPU, the memory-mapped file itself",
}


def check_loader(loader: str, dataset: Dataset) -> None:
    """Raise InvalidValue for an unknown name, and if FFCV is requested but cannot be used."""
    if one_of("loader", loader, LOADERS) != "ffcv":
        return
    if importlib.util.find_spec("ffcv") is None:
        raise InvalidValue(
            "loader ffcv: ffcv is not installed; `make setup` says how, or use resident"
        )
    if dataset.channels != 3:
        raise InvalidValue(f"loader ffcv: {dataset.name} is not in colour; use --loader resident")


def open_source(loader: str, dataset: Dataset, device: torch.device) -> Source:
    """Open the training images of `dataset` by the named loader; raise as `check_loader` does."""
    from tasks.datasets.splits import ResidentSource

    check_loader(loader, dataset)
    if loader != "ffcv":
        return ResidentSource(dataset.train, device)
    from tasks.datasets.formats.beton import FFCVSource

    return FFCVSource(dataset, device)
