"""Any labelled pictures in Parquet or Arrow files, as Hugging Face's `datasets` writes them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tasks.datasets.dataset import Dataset
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.datasets.formats.parquet import count_numbered_classes, read_class_names, read_parquet
from tasks.datasets.formats.shards import HELD_OUT, find_shards
from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.datasets.own.build import build_own, require_folder, share_channels
from tasks.errors import DatasetNotFound


def load_image_parquet(data_dir: Path | None, options: DataOptions = AS_THEY_ARE) -> Dataset:
    """Load the nearest Parquet or Arrow files below `data_dir`: train, and test or else validation.

    The picture is in the column img or image, the class in label or `options.label_column`: numbers, with or
    without names, or texts. With a train split alone, a seeded quarter of each class is held out. Pictures of
    many sizes need `options.image_size`. Raises DatasetNotFound, and InvalidValue as `read_parquet` does.
    """
    folder = require_folder("parquet", data_dir)
    shards = find_shards(folder, held_out=False)
    if not shards:
        raise DatasetNotFound(
            f"--data-dir {folder}: there are no Parquet files train*.parquet and test*.parquet"
        )
    splits = {"train": shards["train"]}
    held_out = next((shards[split] for split in HELD_OUT if split in shards), None)
    if held_out:
        splits["held-out"] = held_out
    column, side = options.label_column, options.image_size
    classes = _find_classes([file for files in splits.values() for file in files], column)
    read = partial(read_parquet, classes=classes, label_column=column, side=side)
    parts = {
        split: open_cached_arrays(files, read, classes=classes, column=column, side=side)
        for split, files in splits.items()
    }
    return build_own("parquet", share_channels(parts), classes, f"Parquet in {folder}")


def _find_classes(files: list[Path], column: str | None) -> tuple[str, ...]:
    """Find the classes of all files together: the names that they declare or hold, else 0, 1, …"""
    names = [read_class_names(file, column) for file in files]
    if any(name is None for name in names):
        count = max(count_numbered_classes(file, column) for file in files)
        return tuple(str(number) for number in range(count))
    return tuple(dict.fromkeys(name for own in names for name in own or ()))
