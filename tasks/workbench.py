"""All that the trials of one task share in a process: data, splits, models, evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tasks.artifacts import Artifact, ArtifactCache, Trained, TrainingRecord
from tasks.compute.flops import flops_per_example
from tasks.compute.meters import CostMeter, Stopwatch
from tasks.compute.sgd import SGD
from tasks.datasets.dataset import Dataset
from tasks.datasets.loaders import open_source
from tasks.datasets.splits import ResidentSource, Split
from tasks.errors import InvalidValue
from tasks.evaluation import RETAIN_SAMPLE, measure
from tasks.evaluation.outputs import Evaluation, outputs
from tasks.evaluation.references import ReferenceOutputs
from tasks.forget_sets import forgotten_classes
from tasks.models import build_model
from tasks.models.network import Network
from tasks.problem import CALIBRATION, Problem, check_needs
from tasks.roles import ORIGINAL, reference_number, training_seed
from tasks.task import Task
from tasks.training import train_model
from tasks.unlearners.base import Unlearner

Progress = Callable[[str, int, int, float], None]
"""Called with (what is being trained, epochs done, epochs in all, seconds so far)."""


SLACK = {"cpu": 4.0, "cuda": 16.0}
"""How many times a retrain's seconds per FLOP are ordinary, by device type.

Measured on one core: .6 to 1.9 over the trials of all methods. A GPU is shared by several trials, of which each
waits for the others; this has not been measured.
"""
UNCHARGED_SECONDS = 0.2
"""Busy seconds of a trial that are not held against it: a process loads code when it first needs it."""


def silent(what: str, done: int, total: int, seconds: float) -> None:
    """Report nothing: a Progress."""


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
    ) -> None:
        """`dataset` is as loaded, before the forget set changes it.

        `dtype`, such as "bfloat16", is that of the forward pass [default: what suits the device].
        """
        self.task, self.dataset, self.device = task, dataset, device
        self._wanted: torch.dtype | None = getattr(torch, dtype) if dtype else None
        make_repeatable(device)
        self.cache = ArtifactCache(artifacts)
        mask = task.forgotten.mask(dataset)
        changed = task.forgotten.apply(dataset)
        self._forgotten_classes = forgotten_classes(changed, mask)
        source = open_source(loader, changed, device)
        self.loader = source.name
        self.retain = Split(source, _indices(~mask), changed)
        self.forget = Split(source, _indices(mask), changed)
        self._all = Split(source, torch.arange(len(changed.train)), changed)
        self._probe = self.retain.subset(RETAIN_SAMPLE, self.generator(0))
        held_out = ResidentSource(changed.held_out, device)
        self._validation, self._test, self.calibration = (
            Split(held_out, torch.from_numpy(part), changed)
            for part in task.cut(changed.held_out.labels)
        )
        self._artifacts: dict[str, Artifact] = {}
        # The number of threads decides in which order a CPU adds up, hence the weights.
        threads = f"-{torch.get_num_threads()}" if device.type == "cpu" else ""
        self._hardware = f"{device.type}{threads}"
        self.references: ReferenceOutputs | None = None
        """What every model is held against; see tasks.references.use_references."""
        self._model = self.fresh_model()
        self.dtype = str(self._model.compute_dtype).removeprefix("torch.")
        shape = dataset.train.images.shape[1:]
        self.forward_flops, self.gradient_flops = flops_per_example(self._model, shape)
        self._warm_up()

    def generator(self, seed: int) -> torch.Generator:
        """Make a generator for one purpose; all randomness of a trial comes from one of these."""
        return torch.Generator().manual_seed(seed)

    def key(self, role: str) -> str:
        """Return the artifact key of the original model, or of a reference, the retrained model among them."""
        about = self.dataset, self.dtype, self._hardware
        if role == ORIGINAL:
            return self.task.original_key(*about)
        return self.task.retrained_key(*about, reference_number(role))

    def is_cached(self, role: str) -> bool:
        """Tell whether the model of `role` is trained already."""
        return self.cache.load(self.key(role)) is not None

    def artifact(self, role: str, progress: Progress = silent) -> Artifact:
        """Return the original model or a reference: from memory, from the cache, or trained now."""
        if role not in self._artifacts:
            split = self._all if role == ORIGINAL else self.retain
            self._artifacts[role] = self.cache.get(
                self.key(role),
                lambda is_over: self._train(role, split, progress, is_over),
                on_wait=lambda: progress(f"{role} model (another process trains it)", 0, 0, 0.0),
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
            validation=outputs(model, self._validation),
            test=outputs(model, self._test),
            forgotten_classes=self._forgotten_classes,
        )

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

    def _train(
        self, role: str, split: Split, progress: Progress, is_over: Callable[[], bool]
    ) -> Trained | None:
        """None if it `is_over` before its end."""
        model = self.fresh_model()
        meter, clock = CostMeter(model), Stopwatch(self.device)
        epochs = model.recipe.epochs
        progress(f"{role} model", 0, epochs, 0.0)
        steps = train_model(model, split, self.generator(training_seed(role, self.task.seed)))
        for epoch in range(epochs):
            with clock.measure():
                next(steps)
            progress(f"{role} model", epoch + 1, epochs, clock.seconds)
            if epoch + 1 < epochs and is_over():
                return None
        state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
        samples = meter.gradient_samples
        flops = samples * self.gradient_flops
        name = device_name(self.device)
        threads = torch.get_num_threads()
        record = TrainingRecord(clock.seconds, samples, flops, name, threads, clock.busy_seconds)
        return state, record


def make_repeatable(device: torch.device) -> None:
    """Make the same seed give the same result on a GPU too, and "float32" means it there.

    These are settings of the process, which serves this workbench alone.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False


def device_name(device: torch.device) -> str:
    """Return what the device calls itself, such as "NVIDIA H200", or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _indices(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.flatnonzero(mask))
