"""All that the trials of one task share in a process: data, splits, models, evaluation."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tasks.artifacts import Artifact, ArtifactCache, Trained
from tasks.compute.flops import flops_per_example
from tasks.compute.meters import CostMeter
from tasks.compute.sgd import SGD
from tasks.compute.timed_training import Progress, Watch, ignore, silent, train_timed
from tasks.datasets.dataset import Dataset
from tasks.datasets.loaders import open_source
from tasks.datasets.splits import ResidentSource, Split
from tasks.errors import InvalidValue
from tasks.evaluation import RETAIN_SAMPLE, measure
from tasks.evaluation.outputs import Evaluation, Outputs, outputs
from tasks.evaluation.references import ReferenceOutputs
from tasks.forget_sets import forgotten_classes
from tasks.forget_sets.description import describe_mask
from tasks.models import build_model
from tasks.models.network import Network
from tasks.problem import CALIBRATION, Problem, check_needs
from tasks.roles import ORIGINAL, reference_number, training_seed
from tasks.scoring.choice import choose_examples
from tasks.scoring.scorer import Scorer
from tasks.task import Task
from tasks.unlearners.base import Unlearner

ELSEWHERE = "another process trains it"

SLACK = {"cpu": 4.0, "cuda": 16.0}
"""How many times a retrain's seconds per FLOP are ordinary, by device type.

Measured on one core: .6 to 1.9 over the trials of all methods. A GPU is shared by several trials, of which each
waits for the others; this has not been measured.
"""
UNCHARGED_SECONDS = 0.2
"""Busy seconds of a trial that are not held against it: a process loads code when it first needs it."""


class Workbench:
    """Built once per process and task; trials and baselines run on it one after another."""

    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        artifacts: str | Path,
        device: torch.device,
        loader: str = "auto",
        dtype: str | None = None,
        progress: Progress = silent,
    ) -> None:
        """`dataset` is as loaded, before the forget set changes it.

        `dtype`, such as "bfloat16", is that of the forward pass [default: what suits the device]. `progress`
        is told of the models that choose the forget set, where it needs any.
        """
        self.task, self.dataset, self.device = task, dataset, device
        self._wanted: torch.dtype | None = getattr(torch, dtype) if dtype else None
        make_repeatable(device)
        self.cache = ArtifactCache(artifacts)
        # The number of threads decides in which order a CPU adds up, hence the weights.
        threads = f"-{torch.get_num_threads()}" if device.type == "cpu" else ""
        self._hardware = f"{device.type}{threads}"
        self._model = self.fresh_model()
        self.dtype = str(self._model.compute_dtype).removeprefix("torch.")
        shape = dataset.train.images.shape[1:]
        self.forward_flops, self.gradient_flops = flops_per_example(self._model, shape)
        changed = task.change(dataset)
        source = open_source(loader, changed, device)
        self.loader = source.name
        self._all = Split(source, torch.arange(len(changed.train)), changed)
        self.choice = choose_examples(task, dataset, artifacts, lambda: self._scorer(progress))
        """What is forgotten."""
        mask = self.choice.mask
        self.trained_on = changed
        """The data set as the forget set changed it."""
        self._forgotten_classes = forgotten_classes(changed, mask)
        self._taught_errors = task.forgotten.taught_errors(dataset)
        self.retain, self.forget = self._all.at(_indices(~mask)), self._all.at(_indices(mask))
        self._probe = self.retain.subset(RETAIN_SAMPLE, self.generator(0))
        held_out = ResidentSource(changed.held_out, device)
        self._validation, self._test, self.calibration = (
            Split(held_out, torch.from_numpy(part), changed)
            for part in task.cut(changed.held_out.labels)
        )
        images = task.forgotten.add_trigger(changed.held_out.images)
        triggered = None if images is None else replace(changed.held_out, images=images)
        self._triggered = None if triggered is None else ResidentSource(triggered, device)
        self._artifacts: dict[str, Artifact] = {}
        self.references: ReferenceOutputs | None = None
        """What every model is held against; see tasks.references.use_references."""
        self._warm_up()

    def generator(self, seed: int) -> torch.Generator:
        """Make a generator for one purpose; all randomness of a trial comes from one of these."""
        return torch.Generator().manual_seed(seed)

    def key(self, role: str) -> str:
        """Return the artifact key of the original model, or of a reference, the retrained model among them."""
        about = self.dataset, self.dtype, self._hardware
        if role == ORIGINAL:
            return self.task.original_key(*about)
        return self.task.retrained_key(*about, reference_number(role), mask=self.choice.mask)

    def task_key(self) -> str:
        """Return the content key of the task, with what is forgotten."""
        return self.task.key(self.dataset, self.choice.mask)

    def describe_choice(self) -> str:
        """Say in a line what is forgotten, and what choosing it took if a model did."""
        took = self.choice.seconds
        return describe_mask(self.trained_on, self.choice.mask) + (
            f"; choosing them took {took:.1f} s" if took else ""
        )

    def is_cached(self, role: str) -> bool:
        """Tell whether the model of `role` is trained already."""
        return self.cache.load(self.key(role)) is not None

    def artifact(self, role: str, progress: Progress = silent) -> Artifact:
        """Return the original model or a reference: from memory, from the cache, or trained now."""
        if role not in self._artifacts:
            split = self._all if role == ORIGINAL else self.retain
            self._artifacts[role] = self.cache.get(
                self.key(role),
                lambda is_over: self.train(role, split, is_over, progress=progress),
                on_wait=lambda: progress(f"{role} model ({ELSEWHERE})", 0, 0, 0.0),
            )
        return self._artifacts[role]

    def fresh_model(self) -> Network:
        """Make an uninitialised model of the task's family on the device."""
        with torch.random.fork_rng(devices=()):  # layers fill themselves from torch's own generator
            return build_model(self.task.model, self.dataset, self.device, self._wanted)

    def model(self, artifact: Artifact) -> tuple[Network, CostMeter]:
        """Make a fresh model with the artifact's weights, and the meter that counts its examples."""
        model = self.fresh_model()
        model.load_state_dict(artifact.state)
        return model, CostMeter(model)

    def problem(self, unlearner: Unlearner, seed: int) -> tuple[Problem, CostMeter]:
        """Make what `unlearner` is given, and the meter that counts its examples.

        Raises InvalidValue if it needs what no problem offers, or what this task does not keep.
        """
        calibration = self._calibration_for(unlearner)
        original = self.artifact(ORIGINAL)
        model, meter = self.model(original)

        def blank() -> Network:
            other = self.fresh_model()
            meter.watch(other)
            return other

        def copy() -> Network:
            other = blank()
            other.load_state_dict(original.state)
            return other

        rng, gone = self.generator(seed), self._forgotten_classes
        problem = Problem(
            model=model,
            retain=self.retain,
            forget=self.forget,
            forgotten_classes=gone,
            rng=rng,
            make_original=copy,
            make_blank=blank,
            calibration=calibration,
        )
        return problem, meter

    def _calibration_for(self, unlearner: Unlearner) -> Split | None:
        """Return the calibration split for a method that needs it; a method that does not never sees it."""
        who = type(unlearner).__name__
        check_needs(who, unlearner.needs)
        if CALIBRATION not in unlearner.needs:
            return None
        if not len(self.calibration):
            raise InvalidValue(
                f"{who} needs a calibration split, and the task {self.task.name} keeps none"
            )
        return self.calibration

    def evaluate(self, model: Network, reference: int | None = None) -> dict[str, float | None]:
        """Measure `model` by every metric; it is this `reference` if it is one.

        Raises Diverged if its outputs are not finite.
        """
        seen = self.outputs(model)
        return measure(replace(seen, references=self.references, reference=reference))

    def outputs(self, model: Network) -> Evaluation:
        """Pass each split through `model` once; raises Diverged if its outputs are not finite."""
        return Evaluation(
            retain=outputs(model, self._probe),
            forget=outputs(model, self.forget),
            validation=self._held_out_outputs(model, self._validation),
            test=self._held_out_outputs(model, self._test),
            forgotten_classes=self._forgotten_classes,
            taught_errors=self._taught_errors,
        )

    def _held_out_outputs(self, model: Network, split: Split) -> Outputs:
        """Pass a half through `model`, and once more with the forget set's trigger if it plants one."""
        seen = outputs(model, split)
        if self._triggered is None:
            return seen
        return replace(seen, triggered=outputs(model, split.read_from(self._triggered)))

    def retrain_flops(self) -> float:
        """FLOPs of a full retrain: the unit of relative_cost."""
        return self._model.recipe.epochs * len(self.retain) * self.gradient_flops

    def relative_cost(self, flops: float, busy_seconds: float = 0.0) -> float:
        """Return what a method cost, as a share of a retrain.

        That is its share of the FLOPs, which nothing else on the machine disturbs. What a method computes
        outside of the model's forward pass has none of these: its share of the seconds, less SLACK, is the
        least that it costs.
        """
        share = flops / self.retrain_flops()
        retrain = math.nan if self.references is None else self.references.mean_busy_seconds
        seconds = max(0.0, busy_seconds - UNCHARGED_SECONDS)
        return (
            share
            if math.isnan(retrain)
            else max(share, seconds / retrain / SLACK[self.device.type])
        )

    def _warm_up(self) -> None:
        """Throw away a step and a measurement: the first of a process pay seconds of no trial's."""
        model = self.fresh_model()
        few = outputs(model, self.forget.subset(20, self.generator(0)))
        measure(Evaluation(few, few, few, few, forgotten_classes=()))
        # A GPU's kernels are chosen and loaded by the size of the batch.
        usual = 256 if self.device.type == "cuda" else 2
        x = self.forget.sample(usual, self.generator(0))
        optimizer = SGD(model.parameters(), lr=0.0, momentum=0.9)
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

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
            what=f"{role} model",
            gradient_flops=self.gradient_flops,
            is_over=is_over,
            progress=progress,
            watch=watch,
            share=share,
        )

    def _scorer(self, progress: Progress) -> Scorer:
        """Make what scores the training examples; it trains its models when they are first asked."""
        return Scorer(
            split=self._all,
            seed=self.task.seed,
            cache=self.cache,
            key=lambda role: self.task.scoring_key(self.dataset, self.dtype, self._hardware, role),
            make_model=self.fresh_model,
            train=functools.partial(self.train, progress=progress),
            on_wait=lambda role: progress(f"{role} model ({ELSEWHERE})", 0, 0, 0.0),
        )


def make_repeatable(device: torch.device) -> None:
    """Make the same seed give the same result on a GPU too, and "float32" means it there.

    These are settings of the process, which serves this workbench alone.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False


def _indices(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.flatnonzero(mask))
