"""A task: data set, forget set, model and its training recipe, seed. Its key is a hash of them all."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.datasets import DATASETS, load_dataset
from tasks.errors import InvalidValue
from tasks.forget_sets import FORGET_SETS, forget_mask
from tasks.provenance import source_version

if TYPE_CHECKING:
    from tasks.datasets.dataset import Dataset

TASKS: dict[str, str] = {
    "cifar10-class:automobile": "forget every training automobile (the CS726 deck's forget set)",
    "cifar10-random:0.1": "forget a random tenth of CIFAR-10's training split",
    "digits-class:1": "forget every training scan of a one; offline, seconds on one core",
    "digits-random:0.1": "forget a random tenth of the digits; offline, seconds on one core",
}
"""Ready-made names. Any DATASET-class:NAME or DATASET-random:SHARE is a task as well."""

HERE = Path(__file__).parent
TRAINED_BY = tuple(
    str(HERE / file)
    for file in (
        "models/network.py",
        "training.py",
        "compute/sgd.py",
        "recipe.py",
        "datasets/splits.py",
        "forget_sets/__init__.py",
    )
)
"""The code that trains a model of any family: a cached one that other code made is not it."""


@dataclass(frozen=True)
class Task:
    """What is to be forgotten, from which model. Build one with `Task.named`."""

    name: str
    dataset: str
    forget_set: str
    model: str
    seed: int

    @classmethod
    def named(cls, name: str, model: str = "auto", seed: int = 0, device: str = "cpu") -> Task:
        """The task that DATASET-KIND:ARGUMENT spells.

        `model` "auto" is chosen by the device type. Raises InvalidValue, which lists valid names.
        """
        from tasks.models import AUTO, MODELS, model_class

        dataset, dash, forget_set = name.partition("-")
        if dataset not in DATASETS or not dash or forget_set.partition(":")[0] not in FORGET_SETS:
            patterns = [f"{d}-{k}:…" for d in DATASETS for k in FORGET_SETS]
            raise InvalidValue(
                f"unknown task {name!r}; valid: {', '.join(TASKS)} (in general {', '.join(patterns)})"
            )
        if model == "auto":
            return cls(name, dataset, forget_set, AUTO[dataset][device], seed)
        if model not in (*MODELS, *AUTO[dataset].values()):  # what follows imports torch
            model_class(model)
        return cls(name, dataset, forget_set, model, seed)

    def load(self, data_dir: Path | None = None) -> Dataset:
        """The data set, after checking that the forget set exists in it and that it suits the model.

        Raises DatasetNotFound if it is absent, InvalidValue for an unknown class or share, or images
        that are too small for the model.
        """
        from tasks.models import check_model

        dataset = load_dataset(self.dataset, data_dir)
        check_model(self.model, dataset)
        forget_mask(dataset, self.forget_set, self.seed)
        return dataset

    def key(self, dataset: Dataset) -> str:
        """Content key of the whole task, data included."""
        return content_key(task=self.name, **self._training(dataset))

    def original_key(self, dataset: Dataset, dtype: str, device: str) -> str:
        """Content key of the original model; tasks that differ in the forget set alone share it.

        `device` is its type: what a retrain takes is told by where it was trained.
        """
        return content_key(role="original", dtype=dtype, device=device, **self._training(dataset))

    def retrained_key(self, dataset: Dataset, dtype: str, device: str) -> str:
        """Content key of the model retrained without the forget set; see `original_key`."""
        left_out = {"forget": self.forget_set, **self._training(dataset)}
        return content_key(role="retrained", dtype=dtype, device=device, **left_out)

    def _training(self, dataset: Dataset) -> dict[str, Any]:
        """Everything that decides the weights a training ends with, but the examples it leaves out."""
        from tasks.models import model_class

        cls = model_class(self.model)[0]
        return {
            "data": dataset.fingerprint,
            "normalisation": [dataset.mean, dataset.std],
            "augmentation": dataclasses.asdict(dataset.augmentation),
            "recipe": self.recipe,
            "source": source_version(*files_of(cls), *TRAINED_BY),
            "seed": self.seed,
        }

    @property
    def recipe(self) -> dict[str, Any]:
        """The model's name and how it is trained."""
        from tasks.models import recipe_of

        return {"model": self.model, **dataclasses.asdict(recipe_of(self.model))}


def files_of(cls: type) -> list[str]:
    """Where a model's class and what it inherits from are written, but for what others share with it."""
    from tasks.models.network import Network

    families = (c for c in cls.__mro__ if issubclass(c, Network) and c is not Network)
    return sorted({inspect.getfile(c) for c in families})


def content_key(**parts: Any) -> str:
    """Sixteen hex digits of the SHA-256 of `parts`, which must be plain JSON values."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
