"""CIFAR-10 (Krizhevsky, 2009) in the forms people have it: torchvision's folder, Parquet, .beton."""

from __future__ import annotations

import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.sources import DEFAULT_DATA_DIR, DatasetNotFound, cached_arrays
from tasks.search_space import InvalidValue

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
TORCHVISION_FOLDER = "cifar-10-batches-py"


def load_cifar10(data_dir: Path | None = None) -> Dataset:
    """CIFAR-10 from `data_dir`, or downloaded into it (default ./data) by torchvision.

    Parquet files in the layout of Hugging Face, FFCV .beton files and torchvision's folder are
    recognised. Raises DatasetNotFound, which says what was tried, or InvalidValue for damaged files.
    """
    folder = data_dir or DEFAULT_DATA_DIR
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
    images, labels = [], []
    for file in files:
        try:
            pictures, classes = _decoded(file)
        except Exception as error:  # pyarrow and pillow raise whatever they stumble over
            raise InvalidValue(
                f"{file} cannot be read as Parquet with columns 'img' or 'image', and 'label': {error}"
            ) from error
        images += pictures
        labels.append(classes)
    return LabelledImages(np.stack(images), np.concatenate(labels).astype(np.int64))


def _decoded(file: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The pictures uint8 (3, 32, 32) and the labels of one Parquet file."""
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(file)
    pictures = table.column("img" if "img" in table.column_names else "image").to_pylist()
    pixels = [np.asarray(Image.open(io.BytesIO(p["bytes"])).convert("RGB")) for p in pictures]
    return [p.transpose(2, 0, 1) for p in pixels], table.column("label").to_numpy()


def _from_torchvision(folder: Path) -> dict[str, LabelledImages]:
    batches = folder / TORCHVISION_FOLDER
    if not batches.is_dir():
        _download(folder)
    files = {"train": [batches / f"data_batch_{n}" for n in range(1, 6)]}
    files["test"] = [batches / "test_batch"]
    try:
        return {split: cached_arrays(paths, _read_torchvision) for split, paths in files.items()}
    except (OSError, RuntimeError) as error:
        raise InvalidValue(
            f"{batches} is incomplete or damaged ({error}); delete it to have it downloaded again, "
            "or give --data-dir another folder"
        ) from error


def _read_torchvision(files: list[Path]) -> LabelledImages:
    from torchvision.datasets import CIFAR10

    data = CIFAR10(str(files[0].parent.parent), train=files[0].name != "test_batch")
    return LabelledImages(data.data.transpose(0, 3, 1, 2), np.asarray(data.targets, np.int64))


def _download(folder: Path) -> None:
    """Put torchvision's folder there, whole or not at all; of several processes one downloads."""
    from torchvision.datasets import CIFAR10

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"), TemporaryDirectory(dir=folder) as partial:
            if not (folder / TORCHVISION_FOLDER).is_dir():
                CIFAR10(partial, download=True)
                os.replace(Path(partial, TORCHVISION_FOLDER), folder / TORCHVISION_FOLDER)
    except Exception as error:
        raise DatasetNotFound(
            f"CIFAR-10 was not found in {folder} (looked for Parquet files train*.parquet and "
            f"test*.parquet, .beton files, and the folder {TORCHVISION_FOLDER}) and could not be "
            f"downloaded ({type(error).__name__}); give --data-dir a folder that holds one of them"
        ) from error
