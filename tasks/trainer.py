"""What the models of one task are trained on, and the cache that keeps them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tasks.artifacts import Artifact, ArtifactCache, Trained
from tasks.compute.draws import OwnDraws
from tasks.compute.flops import forward_flops, gradient_flops
from tasks.compute.meters import CostMeter, Gradients
from tasks.compute.repeatable import make_repeatable
from tasks.compute.timed_training import (
    ELSEWHERE,
    Progress,
    Watch,
    follow_training,
    ignore,
    silent,
    train_timed,
)
from tasks.datasets.dataset import Dataset
from tasks.datasets.loaders import open_source
from tasks.datasets.splits import Split
from tasks.errors import InvalidValue
from tasks.forget_sets.description import describe_mask
from tasks.models import build_model
from tasks.models.keys import find_model_key, find_training_key, spell_hardware
from tasks.models.network import Network
from tasks.needs import NEEDS, check_replayable, list_trained, trained_need
from tasks.needs.base import Origin
from tasks.roles import ORIGINAL, training_seed
from tasks.scoring.choice import choose_examples
from tasks.scoring.scorer import Scorer
from tasks.task import Task
from tasks.unlearners.base import Unlearner


class Trainer:
    """Trains the original model, the references and what methods need; each is trained once, and kept."""

    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        artifacts: str | Path,
        device: torch.device,
        loader: str = "auto",
        dtype: str | None = None,
        progress: Progress = silent,
        start: Artifact | None = None,
    ) -> None:
        """`dataset` is as loaded, before the requests change it. `start` takes the place of the original model.

        It must be given for a later request of a sequence: what the last one left.
        `dtype`, such as "bfloat16", is that of the forward pass [default: what suits the device]. `progress`
        is told of the models that choose the forget set, where it needs any.
        """
        self.task, self.dataset, self.device = task, dataset, device
        self._wanted: torch.dtype | None = getattr(torch, dtype) if dtype else None
        make_repeatable(device)
        self.cache = ArtifactCache(artifacts)
        if task.earlier and start is None:
            raise ValueError(f"{task.title} starts from what the last request left: give `start`")
        self._start: Artifact | None = None
        self._artifacts: dict[str, Artifact] = {}
        if start:
            self.restart(start)
        self._hardware = spell_hardware(device.type, torch.get_num_threads())
        model = self.fresh_model()
        self._recipe = model.recipe
        self.dtype = str(model.compute_dtype).removeprefix("torch.")
        self._shape = dataset.train.images.shape[1:]
        self.forward_flops = forward_flops(model, self._shape)
        self._flops_by_gradients: dict[Gradients, float] = {}
        self.gradient_flops = self.flops_of(Gradients.of_training(model))
        self.trained_on = task.change(dataset)
        """The data set as the requests changed it."""
        self._source = open_source(loader, self.trained_on, device)
        self.loader = self._source.name
        everything = Split(self._source, torch.arange(len(self.trained_on.train)), self.trained_on)
        self._everything = self._all = everything
        self.choice = choose_examples(task, dataset, artifacts, lambda: self._scorer(progress))
        """What is forgotten."""
        self.step = task.find_step(dataset, self.choice.mask)
        """Which examples its models may know before and after."""
        self._all = self.examples(self.step.before)
        self.retain, self.forget = (self.examples(m) for m in (self.step.retain, self.step.forget))

    def flops_of(self, wanted: Gradients) -> float:
        """Return the FLOPs of one example, forward, and backward for the wanted gradients alone."""
        if wanted not in self._flops_by_gradients:
            found = gradient_flops(self.fresh_model(), self._shape, wanted)
            self._flops_by_gradients[wanted] = found
        return self._flops_by_gradients[wanted]

    def sum_flops(self, meter: CostMeter) -> float:
        """Add up the FLOPs of all that a meter counted."""
        samples = meter.by_gradients.items()
        return (
            sum(count * self.flops_of(wanted) for wanted, count in samples)
            + meter.forward_samples * self.forward_flops
            + meter.further_backwards * (self.gradient_flops - self.forward_flops)
            + meter.other_flops
        )

    def restart(self, start: Artifact) -> None:
        """Let every trial from now on start from these weights: what another last request left."""
        self._start = self._artifacts[ORIGINAL] = start

    @property
    def trained_before(self) -> Split:
        """All that the original is trained on, in the data set's order, whatever is forgotten."""
        return self._all

    def examples(self, mask: np.ndarray) -> Split:
        """Return the marked training examples, boolean (N,) over `trained_on`."""
        return self._everything.at(_indices(mask))

    def generator(self, seed: int) -> torch.Generator:
        """Make a generator for one purpose; all randomness of a trial comes from one of these."""
        return torch.Generator().manual_seed(seed)

    def key(self, role: str) -> str:
        """Return the artifact key of the original model, of a reference, or of a need that is trained."""
        return find_model_key(
            self.task,
            self.dataset,
            role,
            dtype=self.dtype,
            hardware=self._hardware,
            mask=self.choice.mask,
            start=self._start.key if self._start else None,
        )

    def training_key(self) -> str:
        """Return the key of the original as it is trained, also where its weights are given."""
        if self._start is not None:
            return self._start.key
        return find_training_key(self.task, self.dataset, dtype=self.dtype, hardware=self._hardware)

    def describe_choice(self) -> str:
        """Say in a line what is forgotten, and what choosing it took if a model did."""
        took = self.choice.seconds
        step = self.step
        return describe_mask(self.trained_on, step.forget, step.before, step.new) + (
            f"; choosing them took {took:.1f} s" if took else ""
        )

    def is_cached(self, role: str) -> bool:
        """Tell whether the model, or the need, is trained already."""
        return self.cache.load(self.key(role)) is not None

    def artifact(self, role: str, progress: Progress = silent) -> Artifact:
        """Return the original model, a reference, or a need that is trained, by its name.

        It is taken from memory, from the cache, or trained now.
        """
        if role not in self._artifacts:
            self._artifacts[role] = self.cache.get(
                self.key(role),
                lambda is_over: self._train_role(role, is_over, progress),
                on_wait=lambda: progress(f"{_spell(role)} ({ELSEWHERE})", 0, 0, 0.0),
            )
        return self._artifacts[role]

    def fresh_model(self) -> Network:
        """Make an uninitialised model of the task's family on the device."""
        with torch.random.fork_rng(devices=()):  # layers fill themselves from torch's own generator
            return build_model(
                self.task.model,
                self.dataset,
                self.device,
                self._wanted,
                settings=self.task.recipe_settings,
            )

    def retrain_flops(self) -> float:
        """FLOPs of a full retrain: the unit of relative_cost."""
        return self._recipe.epochs * len(self.retain) * self.gradient_flops

    def preparation_cost(self, unlearner: Unlearner) -> float:
        """Return what was trained beforehand for a method alone, as a share of a retrain's FLOPs."""
        records = [self.artifact(name).record for name in list_trained(unlearner.needs)]
        return sum(record.flops for record in records if record) / self.retrain_flops()

    def training_samples(self, role: str) -> float:
        """Estimate the examples that it takes to train a model, or a need: forward and backward."""
        share = trained_need(role).trainings if NEEDS.has(role) else 1.0
        size = len(self._all) if role == ORIGINAL or NEEDS.has(role) else len(self.retain)
        return share * size * self._recipe.epochs

    def train(
        self,
        role: str,
        split: Split,
        is_over: Callable[[], bool],
        watch: Watch = ignore,
        share: float = 1.0,
        *,
        progress: Progress = silent,
    ) -> Trained | None:
        """Train the model of `role` on `split`, as `train_timed` does."""
        return train_timed(
            self.fresh_model(),
            split,
            self.generator(training_seed(role, self.task.seed)),
            what=_spell(role),
            gradient_flops=self.gradient_flops,
            is_over=is_over,
            progress=progress,
            watch=watch,
            share=share,
        )

    def _train_role(
        self, role: str, is_over: Callable[[], bool], progress: Progress
    ) -> Trained | None:
        given = self.task.original
        if given is not None and role == ORIGINAL:
            raise InvalidValue(
                f"the weights of {given.file}, the original model, are not in {self.cache.root} any more: give "
                "--original again"
            )
        if not NEEDS.has(role):
            split = self._all if role == ORIGINAL else self.retain
            return self.train(role, split, is_over, progress=progress)
        check_replayable(given, [role], role)
        need, meter = trained_need(role), CostMeter(self.fresh_model())
        origin = self._origin(meter, progress)
        return follow_training(
            need.prepare(origin),
            meter,
            OwnDraws(origin.generator(), self.device),
            what=_spell(role),
            epochs=need.steps(self._recipe),
            device=self.device,
            gradient_flops=self.gradient_flops,
            is_over=is_over,
            progress=progress,
        )

    def _origin(self, meter: CostMeter, progress: Progress) -> Origin:
        """Make what a need is trained from; `meter` counts the examples of its models."""
        return Origin(
            source=self._source,
            dataset=self.trained_on,
            forget=self.forget.indices,
            seed=training_seed(ORIGINAL, self.task.seed),
            weights=self.artifact(ORIGINAL, progress).state,
            make_model=lambda: self._watched_model(meter),
            trained=self._all.indices,
        )

    def _watched_model(self, meter: CostMeter) -> Network:
        model = self.fresh_model()
        meter.watch(model)
        return model

    def _scorer(self, progress: Progress) -> Scorer:
        """Make what scores the training examples; it trains its models when they are first asked."""
        return Scorer(
            split=self._all,
            seed=self.task.seed,
            cache=self.cache,
            key=lambda role: self.task.scoring_key(self.dataset, self.dtype, self._hardware, role),
            make_model=self.fresh_model,
            train=functools.partial(self.train, progress=progress),
            on_wait=lambda role: progress(f"{_spell(role)} ({ELSEWHERE})", 0, 0, 0.0),
        )


def _spell(role: str) -> str:
    """Say what is trained: a need goes by its name."""
    return role.replace("_", " ") if NEEDS.has(role) else f"{role} model"


def _indices(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.flatnonzero(mask))
