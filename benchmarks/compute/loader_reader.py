"""One reader of benchmarks/compute/loaders.py: a process that reads training batches when told to."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tasks.datasets import load_dataset
from tasks.datasets.dataset import Dataset
from tasks.datasets.loaders import open_source
from tasks.datasets.splits import Split

DATALOADER_WORKERS = 2


def main() -> None:
    """Say when the first batch is there, then answer the lines `read` and `memory` by JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("reader")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = endless(options.reader, load_dataset("cifar10", options.data_dir), device, options)
    next(batches)
    print(json.dumps({"first_batch_at": time.monotonic()}), flush=True)
    for line in sys.stdin:
        reply = speed(batches, options.seconds, device) if line == "read\n" else memory()
        print(json.dumps(reply), flush=True)


def speed(batches: Iterator, seconds: float, device: torch.device) -> dict[str, Any]:
    """Images/s over at least `seconds`; the queue that filled up while waiting is emptied first."""
    for _ in range(2 * DATALOADER_WORKERS + 4):
        next(batches)
    images, started = 0, time.monotonic()
    while time.monotonic() < started + seconds:
        images += len(next(batches)[1])
    if device.type == "cuda":
        torch.cuda.synchronize()
    rate = images / (time.monotonic() - started)
    return {"images_per_second": rate, "device": device.type}


def memory() -> dict[str, float]:
    """Memory of this process and its children, MB; what they share with others by its share."""
    kilobytes = 0
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for process in ("self", *children):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return {"pss_mb": kilobytes / 1024}


def endless(
    arm: str, dataset: Dataset, device: torch.device, options: argparse.Namespace
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Training batches of one pass after another."""
    if arm == "dataloader":
        loader = per_image_loader(dataset, options.batch_size)
        while True:
            for images, labels in loader:
                yield images.to(device), labels.to(device)
    split = Split(open_source(arm, dataset, device), torch.arange(len(dataset.train)), dataset)
    rng = torch.Generator().manual_seed(0)
    while True:
        yield from split.batches(options.batch_size, rng)


def per_image_loader(dataset: Dataset, batch_size: int) -> torch.utils.data.DataLoader:
    """The usual torch way: worker processes that augment image by image."""
    from PIL import Image
    from torch.utils.data import DataLoader
    from torch.utils.data import Dataset as TorchDataset
    from torchvision import transforms as T

    crop = T.RandomCrop(
        dataset.train.images.shape[-1], dataset.augmentation.translate, padding_mode="reflect"
    )
    change = T.Compose(
        [crop, T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(dataset.mean, dataset.std)]
    )

    class PerImage(TorchDataset):
        def __len__(self) -> int:
            return len(dataset.train)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            picture = Image.fromarray(dataset.train.images[index].transpose(1, 2, 0))
            return change(picture), int(dataset.train.labels[index])

    return DataLoader(
        PerImage(),
        batch_size,
        shuffle=True,
        num_workers=DATALOADER_WORKERS,
        persistent_workers=True,
    )


if __name__ == "__main__":
    main()
