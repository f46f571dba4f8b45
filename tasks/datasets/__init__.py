"""The data sets: one file each with `load_<name>(data_dir) -> Dataset`, and one line here."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.errors import InvalidValue
from tasks.registry import Registry

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset

DATASETS = Registry(
    "data set",
    "orchestrator.datasets",
    {
        "cifar10": "tasks.datasets.cifar10:load_cifar10",
        "cifar10-small": "tasks.datasets.cifar10_small:load_cifar10_small",
        "cifar100": "tasks.datasets.cifar100:load_cifar100",
        "cifar20": "tasks.datasets.cifar100:load_cifar20",
        "fashion-mnist": "tasks.datasets.fashion_mnist:load_fashion_mnist",
        "folder": "tasks.datasets.own.image_folder:load_image_folder",
        "parquet": "tasks.datasets.own.image_parquet:load_image_parquet",
        "faces": "tasks.datasets.synthetic_faces:load_faces",
        "digits": "tasks.datasets.digits:load_digits",
    },
)


def load_dataset(
    name: str, data_dir: Path | None = None, options: DataOptions = AS_THEY_ARE
) -> Dataset:
    """Load a data set: a registered one, a plug-in's, or what `module:function` returns.

    A function with a second parameter gets the `options`. Raises InvalidValue for an unknown name, options that
    the data set does not have, and a function that returns no Dataset or one that nothing could be done with;
    DatasetNotFound if the data are absent.
    """
    from tasks.datasets.dataset import Dataset, check_dataset

    load = DATASETS.resolve(name)
    if not callable(load):
        raise InvalidValue(f"data set {name!r} is not a function of a folder")
    if len(inspect.signature(load).parameters) > 1:
        dataset = load(data_dir, options)
    else:
        options.refuse(name)
        dataset = load(data_dir)
    if not isinstance(dataset, Dataset):
        raise InvalidValue(f"data set {name!r} returns no tasks.datasets.dataset.Dataset")
    return check_dataset(dataset)
