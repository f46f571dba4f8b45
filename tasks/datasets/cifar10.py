"""CIFAR-10 (Krizhevsky, 2009) in the forms people have it: torchvision's folder, Parquet, .beton."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.sources import DatasetNotFound, cached_arrays

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
TORCHVISION_FOLDER = "cifar-10-batches-py"


def load_cifar10(data_dir: Path | None = None) -> Dataset:
    """CIFAR-10 from `data_dir`, or downloaded into it (default ./data) by torchvision.

    Parquet files in the layout of Hugging Face, FFCV .beton files and torchvision's folder are
    recognised. Raises DatasetNotFound, which says what was tried.
    """
    folder = Path(data_dir or "data")
    parquet = {s: sorted(folder.glob(f"**/{s}*.parquet")) for s in ("train", "test")}
    betons = {s: sorted(folder.glob(f"*{s}*.beton")) for s in ("train", "test")}
    if all(parquet.values()):
        source = f"Hugging Face Parquet in {folder}"
        parts = {s: cached_arrays(files, _read_parquet) for s, files in parquet.items()}
    elif all(betons.values()):
        from tasks.datasets.beton import read_beton

        source = f"FFCV .beton files in {folder}"
        parts = {s: cached_arrays(files[:1], read_beton) for s, files in betons.items()}
    else:
        source = f"torchvision's {TORCHVISION_FOLDER} in {folder}"
        parts = _from_torchvision(folder)
    return Dataset(
        name="cifar10",
        train=parts["train"],
        held_out=parts["test"],
        classes=CLASSES,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        augmentation=Augmentation(flip=True, translate=2),
        source=source,
    )


def _read_parquet(files: list[Path]) -> LabelledImages:
    import pyarrow.parquet as pq
    from PIL import Image

    images, labels = [], []
    for file in files:
        table = pq.read_table(file)
        pictures = table.column("img" if "img" in table.column_names else "image").to_pylist()
        for picture in pictures:
            pixels = np.asarray(Image.open(io.BytesIO(picture["bytes"])).convert("RGB"))
            images.append(pixels.transpose(2, 0, 1))
        labels.append(table.column("label").to_numpy())
    return LabelledImages(np.stack(images), np.concatenate(labels).astype(np.int64))


def _from_torchvision(folder: Path) -> dict[str, LabelledImages]:
    present = (folder / TORCHVISION_FOLDER).is_dir()
    if not present:
        _download(folder)
    files = {"train": sorted((folder / TORCHVISION_FOLDER).glob("data_batch_*"))}
    files["test"] = [folder / TORCHVISION_FOLDER / "test_batch"]
    return {split: cached_arrays(paths, _read_torchvision) for split, paths in files.items()}


def _read_torchvision(files: list[Path]) -> LabelledImages:
    from torchvision.datasets import CIFAR10

    data = CIFAR10(str(files[0].parent.parent), train=files[0].name != "test_batch")
    return LabelledImages(data.data.transpose(0, 3, 1, 2), np.asarray(data.targets, np.int64))


def _download(folder: Path) -> None:
    from torchvision.datasets import CIFAR10

    try:
        CIFAR10(str(folder), download=True)
    except Exception as error:
        raise DatasetNotFound(
            f"CIFAR-10 was not found in {folder} (looked for Parquet files train*.parquet and "
            f"test*.parquet, .beton files, and the folder {TORCHVISION_FOLDER}) and could not be "
            f"downloaded ({type(error).__name__}); give --data-dir a folder that holds one of them"
        ) from error
