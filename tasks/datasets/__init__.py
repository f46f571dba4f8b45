"""The data sets: one file each with `load_<name>(data_dir) -> Dataset`, and one line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.registry import Registry

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset

DATASETS = Registry(
    "data set",
    "orchestrator.datasets",
    {
        "cifar10": "tasks.datasets.cifar10:load_cifar10",
        "digits": "tasks.datasets.digits:load_digits",
    },
)


def load_dataset(name: str, data_dir: Path | None = None) -> Dataset:
    """Load a data set: a registered one, a plug-in's, or what `module:function` returns.

    Raises InvalidValue for an unknown name or a function that returns no Dataset, DatasetNotFound if the
    data are absent.
    """
    from tasks.datasets.dataset import Dataset

    load = DATASETS.resolve(name)
    if not callable(load):
        raise InvalidValue(f"data set {name!r} is not a function of a folder")
    dataset = load(data_dir)
    if not isinstance(dataset, Dataset):
        raise InvalidValue(f"data set {name!r} returns no tasks.datasets.dataset.Dataset")
    return dataset
