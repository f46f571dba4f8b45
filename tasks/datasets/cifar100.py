"""CIFAR-100 (Krizhevsky, 2009): its 100 classes, or its 20 superclasses of five classes each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.datasets.formats.parquet import read_class_names, read_parquet
from tasks.datasets.formats.pickles import check_pickled_names, open_pickles
from tasks.datasets.formats.shards import Splits, find_whole_copy
from tasks.datasets.identity import check_counts
from tasks.datasets.sources import DEFAULT_DATA_DIR
from tasks.errors import DatasetNotFound, InvalidValue

SUPERCLASSES: dict[str, tuple[str, ...]] = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
CLASSES = tuple(sorted(name for names in SUPERCLASSES.values() for name in names))
"""In the order of the files' numbers, which is the alphabet's."""
IMAGES = {"train": 50_000, "test": 10_000}
FOLDER = "cifar-100-python"
ARCHIVE = "cifar-100-python.tar.gz"
HUB_FOLDERS = ("datasets--uoft-cs--cifar100", "datasets--cifar100")
FINE_COLUMN = "fine_label"


def load_cifar100(data_dir: Path | None = None) -> Dataset:
    """Load CIFAR-100 with its 100 classes from `data_dir` (default ./data); nothing is downloaded.

    Recognised are the folder cifar-100-python, its archive, and Parquet or Arrow files of Hugging Face, whose
    classes are matched by name. Raises DatasetNotFound, and InvalidValue for damage or another data set.
    """
    folder = data_dir or DEFAULT_DATA_DIR
    source, parts = _read(folder)
    data = Dataset(
        name="cifar100",
        train=parts["train"],
        held_out=parts["test"],
        classes=CLASSES,
        mean=(0.5071, 0.4866, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
        augmentation=Augmentation(flip=True, translate=2),
        source=source,
    )
    return replace(data, source=source + check_counts(data, IMAGES, "CIFAR-100"))


def load_cifar20(data_dir: Path | None = None) -> Dataset:
    """Load CIFAR-100 with its 20 superclasses as the classes; the 100 are its `subclasses`.

    See `load_cifar100`.
    """
    data = load_cifar100(data_dir)
    order = list(SUPERCLASSES)
    of_class = {name: order.index(above) for above, names in SUPERCLASSES.items() for name in names}
    table = np.array([of_class[name] for name in CLASSES], np.int64)

    def lift(part: LabelledImages) -> LabelledImages:
        return LabelledImages(part.images, table[part.labels], part.labels)

    return replace(
        data,
        name="cifar20",
        train=lift(data.train),
        held_out=lift(data.held_out),
        classes=tuple(order),
        subclasses=CLASSES,
    )


def _read(folder: Path) -> tuple[str, dict[str, LabelledImages]]:
    """Read the nearest form in a folder, else a copy in the hub's cache: where it was, and both splits."""
    for pickles in (folder / FOLDER, folder / ARCHIVE):
        if pickles.exists():
            return str(pickles), _read_pickles(pickles)
    found = find_whole_copy(folder, HUB_FOLDERS)
    if found:
        place, shards = found
        return f"Hugging Face Parquet in {place}", _read_shards(shards)
    raise DatasetNotFound(
        f"CIFAR-100 was not found in {folder} (looked for the folder {FOLDER}, for {ARCHIVE}, and for Parquet "
        "files train*.parquet and test*.parquet); give --data-dir a folder that holds one of them"
    )


def _read_pickles(where: Path) -> dict[str, LabelledImages]:
    check_pickled_names(where, "meta", "fine_label_names", CLASSES, "CIFAR-100")
    return open_pickles(where, {split: (split,) for split in IMAGES}, "fine_labels")


def _read_shards(shards: Splits) -> dict[str, LabelledImages]:
    read = partial(
        read_parquet,
        classes=CLASSES,
        label_column=FINE_COLUMN,
        shape=(32, 32),
        colour=True,
        title="CIFAR-100",
    )
    for file in shards["train"]:
        if not read_class_names(file, FINE_COLUMN):
            raise InvalidValue(f"{file} names no classes in {FINE_COLUMN!r}: is it CIFAR-100?")
    return {
        split: open_cached_arrays(shards[split], read, column=FINE_COLUMN, classes=CLASSES)
        for split in IMAGES
    }
