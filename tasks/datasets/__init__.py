"""The data sets: one file each with `load_<name>(data_dir) -> Dataset`, and one line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.registry import resolve

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset

DATASETS: dict[str, str] = {
    "cifar10": "tasks.datasets.cifar10:load_cifar10",
    "digits": "tasks.datasets.digits:load_digits",
}


def load_dataset(name: str, data_dir: Path | None = None) -> Dataset:
    """A registered data set; raises InvalidValue for an unknown name, DatasetNotFound if it is absent."""
    return resolve("data set", name, DATASETS)(data_dir)
