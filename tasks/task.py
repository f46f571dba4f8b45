"""A task: data set, forget set, model and its training recipe, seed. Its key is a hash of them all."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.datasets import load_dataset
from tasks.datasets.halves import CALIBRATION_SHARE, HeldOutParts, cut_held_out
from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.evaluation.samples import check_attackable
from tasks.forget_sets import check_mask
from tasks.forget_sets.base import ForgetSet, apply_forget_set
from tasks.forget_sets.description import hash_mask
from tasks.forget_sets.scored.base import ScoredForgetSet
from tasks.provenance import content_key, files_of, source_version
from tasks.roles import GivenOriginal
from tasks.sequences.requests import build_requests, split_requests
from tasks.sequences.task_names import split_name
from tasks.sequences.timeline import Step, Timeline, plan_requests, whole_step

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset

HERE = Path(__file__).parent
TRAINED_BY = tuple(
    str(HERE / file)
    for file in (
        "models/network.py",
        "training.py",
        "compute/sgd.py",
        "recipe.py",
        "datasets/splits.py",
    )
)
"""The code that trains a model of any family: a cached one that other code made is not it."""
SCORED_BY = tuple(
    str(HERE / "scoring" / file) for file in ("scorer.py", "training_log.py", "memorisation.py")
)
"""The code that scores training examples."""


@dataclass(frozen=True)
class Task:
    """What is to be forgotten, from which model. Build one with `Task.named`."""

    name: str
    dataset: str
    forget_set: str
    model: str
    seed: int
    calibration: bool = False
    """Whether a part of the held-out data is kept for methods; both halves are then smaller."""
    earlier: tuple[str, ...] = ()
    """The requests of a sequence before this one, each KIND:ARGUMENT."""
    later: tuple[str, ...] = ()
    """Those after it. They count where they decide what the original is trained on."""
    joint: bool = False
    """Whether all requests are judged as one: what they forget together. The first of them is `forget_set`."""
    recipe_settings: str = ""
    """What differs from the family's recipe, as `spell_settings` writes it."""
    original: GivenOriginal | None = None
    """The original model if it is given; None if it is trained."""

    @classmethod
    def named(
        cls,
        name: str,
        model: str = "auto",
        seed: int = 0,
        device: str = "cpu",
        *,
        calibration: bool = False,
        recipe: str | None = None,
        original: GivenOriginal | None = None,
    ) -> Task:
        """Build the task that DATASET-KIND:ARGUMENT spells; see `split_name`.

        Of a sequence, whose further requests follow behind semicolons, it is the first step: see `steps`.
        `model` "auto" is chosen by the device type; `recipe` are settings NAME=VALUE,… of its training. Raises
        InvalidValue, which lists valid names.
        """
        from tasks.models import AUTO, AUTO_ELSEWHERE, MODELS, model_class
        from tasks.models.recipe_settings import spell_settings

        first, *later = split_requests(name)
        dataset, spec = split_name(first)
        build_requests((spec, *later), seed)
        auto = AUTO.get(dataset, AUTO_ELSEWHERE)
        if model == "auto":
            model = auto[device]
        elif model not in (*MODELS, *auto.values()):  # what follows imports torch
            model_class(model)
        settings = spell_settings(recipe or "")
        return cls(
            name,
            dataset,
            spec,
            model,
            seed,
            calibration,
            later=tuple(later),
            recipe_settings=settings,
            original=original,
        )

    @property
    def forgotten(self) -> ForgetSet:
        """What decides which examples are forgotten."""
        return build_requests(self.requests, self.seed)[self.step - 1]

    @property
    def requests(self) -> tuple[str, ...]:
        """What is asked for one after another, each KIND:ARGUMENT; one alone where there is no sequence."""
        return (*self.earlier, self.forget_set, *self.later)

    @property
    def step(self) -> int:
        """Number of this request in its sequence, from 1."""
        return len(self.earlier) + 1

    def steps(self) -> tuple[Task, ...]:
        """List the task of each request, in order."""
        asked = self.requests
        return tuple(
            dataclasses.replace(
                self, earlier=asked[:n], forget_set=spec, later=asked[n + 1 :], joint=False
            )
            for n, spec in enumerate(asked)
        )

    def whole(self) -> Task:
        """Return the task by which a sequence is judged at its end; a single request is its own."""
        first, *_ = steps = self.steps()
        return dataclasses.replace(first, joint=len(steps) > 1)

    @property
    def title(self) -> str:
        """The name, with the request if there are several."""
        if self.joint or len(self.requests) == 1:
            return self.name
        return f"{self.name}: request {self.step} of {len(self.requests)}, {self.forget_set},"

    def load(self, data_dir: Path | None = None, options: DataOptions = AS_THEY_ARE) -> Dataset:
        """Load the data set as the options say; check that every request exists in it, and that it suits the model.

        The forget set does not change it yet: whoever trains on it does that.

        Raises DatasetNotFound if it is absent, InvalidValue for an unknown class or share, or images
        that are too small for the model, or a forget set that no attacker could judge.
        """
        from tasks.models import check_model

        dataset = load_dataset(self.dataset, data_dir, options)
        check_model(self.model, dataset)
        if isinstance(self.forgotten, ScoredForgetSet):
            self.forgotten.check(dataset)
        else:
            for task in (*self.steps(), *([self] if self.joint else [])):
                task.check_step(dataset, task.find_step(dataset))
        return dataset

    def timeline(self, dataset: Dataset) -> Timeline:
        """Plan all requests on the data as loaded; raises InvalidValue for one that cannot follow the earlier ones."""
        return plan_requests(build_requests(self.requests, self.seed), dataset, self.name)

    def find_step(self, dataset: Dataset, mask: np.ndarray | None = None) -> Step:
        """Find which training examples this request concerns. `mask`, boolean (N,), must be given if a model chose."""
        if isinstance(self.forgotten, ScoredForgetSet):
            return whole_step(self.forgotten.mask(dataset) if mask is None else mask)
        timeline = self.timeline(dataset)
        return timeline.whole if self.joint else timeline.steps[self.step - 1]

    def known_first(self, dataset: Dataset) -> np.ndarray:
        """Mark the training examples that the original is trained on: boolean (N,), as `change` leaves them."""
        import numpy as np

        if isinstance(self.forgotten, ScoredForgetSet):
            return np.ones(len(dataset.train), bool)
        return self.timeline(dataset).steps[0].before

    def gone_before(self, dataset: Dataset) -> tuple[int, ...]:
        """List the classes that earlier requests emptied."""
        return self.timeline(dataset).gone_before(self.step) if self.earlier else ()

    def check_step(self, dataset: Dataset, step: Step) -> None:
        """Raise InvalidValue if a request for these examples leaves nothing to measure.

        Nor may it be one that no attacker could judge.
        """
        changed, mask = self.change(dataset), step.forget
        plain = step.before.all() and not step.new.any()
        check_mask(mask, changed, self.title, None if plain else step.retain)
        held_out = changed.held_out.labels
        check_attackable(
            changed.train.labels[mask], held_out, self.cut(held_out)[:2], dataset.classes
        )

    def change(self, dataset: Dataset) -> Dataset:
        """Return the data that the models are trained on: `dataset` as the requests change it."""
        if isinstance(self.forgotten, ScoredForgetSet):
            return apply_forget_set(self.forgotten, dataset)
        return self.timeline(dataset).data

    def cut(self, held_out: np.ndarray) -> HeldOutParts:
        """Cut the held-out data with these labels (N,) into the parts that this task has."""
        return cut_held_out(held_out, self.seed, CALIBRATION_SHARE if self.calibration else 0.0)

    def key(self, dataset: Dataset, mask: np.ndarray | None = None) -> str:
        """Content key of the whole task, data included; of a calibration split too, which changes the halves.

        For `mask` see `retrained_key`.
        """
        step = self.find_step(dataset, mask)
        whole: dict[str, Any] = {"forget": hash_mask(step.forget)}
        if self.calibration:
            whole["calibration"] = CALIBRATION_SHARE
        if self.original is not None:
            whole["original"] = self.original.key
        if step.new.any():
            whole["new"] = hash_mask(step.new)
        if self.earlier or self.joint:
            steps = self.timeline(dataset).steps
            before = steps if self.joint else steps[: self.step - 1]
            whole["earlier"] = [[hash_mask(s.forget), hash_mask(s.new)] for s in before]
        return content_key(role="task", **whole, **self._training(dataset))

    def original_key(self, dataset: Dataset, dtype: str, device: str) -> str:
        """Content key of the original model; tasks that differ in the forget set alone share it.

        `device` is its type, and for a CPU the number of threads: they decide the weights. The key of weights
        that are given is their hash.
        """
        if self.original is not None:
            return self.original.key
        known = self.known_first(dataset)
        held_back = {} if known.all() else {"held_back": hash_mask(~known)}
        training = self._training(dataset)
        return content_key(role="original", dtype=dtype, device=device, **held_back, **training)

    def retrained_key(
        self,
        dataset: Dataset,
        dtype: str,
        device: str,
        reference: int = 0,
        *,
        mask: np.ndarray | None = None,
    ) -> str:
        """Content key of the model retrained without the forget set; see `original_key`.

        Two tasks share it if they leave the same examples, in one request or in several.
        `reference` is its number among those that differ in the training seed alone. `mask`, boolean (N,),
        is what is forgotten; it must be given if a model chose it.
        """
        left_out: dict[str, Any] = {"forget": hash_mask(~self.find_step(dataset, mask).retain)}
        if reference:
            left_out["reference"] = reference
        training = self._training(dataset)
        return content_key(role="retrained", dtype=dtype, device=device, **left_out, **training)

    def scoring_key(self, dataset: Dataset, dtype: str, device: str, role: str) -> str:
        """Content key of a model that scores training examples; tasks that forget other ones share it."""
        scored = {"role": role, "scored_by": source_version(*SCORED_BY)}
        return content_key(dtype=dtype, device=device, **scored, **self._training(dataset))

    def mask_key(self, dataset: Dataset) -> str:
        """Content key of a mask that a model chooses. It names no hardware: all machines share the mask."""
        files = files_of(type(self.forgotten), ForgetSet)
        chosen_by = source_version(*files, *SCORED_BY)
        training = self._training(dataset)
        return content_key(role="mask", forget=self.forget_set, chosen_by=chosen_by, **training)

    def _training(self, dataset: Dataset) -> dict[str, Any]:
        """Everything that decides the weights a training ends with, but the examples it leaves out."""
        from tasks.models import model_class
        from tasks.models.network import Network

        cls, data = model_class(self.model)[0], self.change(dataset)
        return {
            "data": data.fingerprint,
            "normalisation": [data.mean, data.std],
            "augmentation": dataclasses.asdict(data.augmentation),
            "recipe": self.recipe,
            "source": source_version(*files_of(cls, Network), *TRAINED_BY),
            "seed": self.seed,
        }

    @property
    def recipe(self) -> dict[str, Any]:
        """The model's name and how it is trained."""
        from tasks.models import find_recipe

        recipe = find_recipe(self.model, self.recipe_settings)
        return {"model": self.model, **dataclasses.asdict(recipe)}
