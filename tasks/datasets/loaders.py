"""The ways to read training images: resident on the device, memory-mapped, or FFCV's .beton."""

from __future__ import annotations

import importlib.util
import math
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.registry import one_of

if TYPE_CHECKING:
    import torch

    from tasks.datasets.dataset import Dataset
    from tasks.datasets.splits import Source

LOADERS: dict[str, str] = {
    "auto": "resident: as fast as ffcv on a CPU, ready sooner, less memory (benchmarks/compute/loaders.py); "
    "of images that do not fit on a GPU: ffcv, or mapped where there is none",
    "ffcv": "ffcv.Loader over a .beton that all processes of a machine share",
    "resident": "one uint8 tensor on the device; on a CPU, the memory-mapped file itself",
    "mapped": "the memory-mapped file, of which each batch is copied to the device",
}
GPU_SHARE = 0.2
"""Share of a GPU's free memory that `auto` lets the images take: trials share the GPU, and need room to train."""


def check_loader(loader: str, dataset: Dataset) -> None:
    """Raise InvalidValue for an unknown name, and if FFCV is requested but cannot be used."""
    if one_of("loader", loader, LOADERS) != "ffcv":
        return
    if not _is_ffcv_installed():
        raise InvalidValue(
            "loader ffcv: ffcv is not installed; `make setup` says how, or use resident"
        )
    if dataset.channels != 3:
        raise InvalidValue(f"loader ffcv: {dataset.name} is not in colour; use --loader resident")


def choose_loader(
    loader: str, dataset: Dataset, device_type: str, free_bytes: float
) -> tuple[str, str]:
    """Decide what "auto" is; returns the loader and the reason. Another name is its own reason.

    `free_bytes` is the free memory of a GPU. Raises InvalidValue as `check_loader` does.
    """
    check_loader(loader, dataset)
    if loader != "auto":
        return loader, "as asked for"
    size = dataset.train.images.nbytes
    spelt = f"{len(dataset.train):,} images of {size / 1e6:,.0f} MB"
    if device_type == "cpu":
        return "resident", f"{spelt}, memory-mapped"
    if size <= GPU_SHARE * free_bytes:
        return "resident", f"{spelt} fit on the GPU"
    why = f"{spelt} are more than {GPU_SHARE:.0%} of the GPU's free {free_bytes / 1e6:,.0f} MB"
    if _is_ffcv_installed() and dataset.channels == 3:
        return "ffcv", why
    return "mapped", f"{why}, and FFCV cannot be used"


def open_source(loader: str, dataset: Dataset, device: torch.device) -> Source:
    """Open the training images of `dataset` by the named loader; raise as `check_loader` does."""
    from tasks.datasets.splits import ResidentSource

    name, _ = choose_loader(loader, dataset, device.type, count_free_bytes(device))
    if name == "ffcv":
        from tasks.datasets.formats.beton import FFCVSource

        return FFCVSource(dataset, device)
    if name == "mapped":
        from tasks.datasets.mapped import MappedSource

        return MappedSource(dataset.train, device)
    return ResidentSource(dataset.train, device)


def count_free_bytes(device: torch.device) -> float:
    """Count the free bytes of a GPU; infinite for a CPU, which maps files."""
    import torch

    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else math.inf


def _is_ffcv_installed() -> bool:
    return importlib.util.find_spec("ffcv") is not None
