"""All that the trials of one task share in a process: data, splits, models, evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.artifacts import Artifact
from tasks.compute.meters import CostMeter
from tasks.compute.sgd import SGD
from tasks.compute.timed_training import Progress, silent
from tasks.datasets.dataset import Dataset
from tasks.datasets.splits import ResidentSource, Split
from tasks.errors import InvalidValue
from tasks.evaluation import RETAIN_SAMPLE, list_in_rows, measure, measure_steering
from tasks.evaluation.looks.inside import Inside
from tasks.evaluation.outputs import Evaluation, Outputs, outputs
from tasks.evaluation.passes import JudgedSplits
from tasks.evaluation.references import ReferenceOutputs
from tasks.evaluation.shadows.outputs import Shadows
from tasks.forget_sets import forgotten_classes
from tasks.models.network import Network
from tasks.needs import CALIBRATION, check_needs, list_trained
from tasks.problem import Problem
from tasks.roles import ORIGINAL, reference_role
from tasks.task import Task
from tasks.trainer import Trainer
from tasks.unlearners.base import Unlearner

SLACK = {"cpu": 4.0, "cuda": 16.0}
"""How many times a retrain's seconds per FLOP are ordinary, by device type.

Measured on one core: .6 to 1.9 over the trials of all methods. A GPU is shared by several trials, of which each
waits for the others; this has not been measured.
"""
UNCHARGED_SECONDS = 0.2
"""Busy seconds of a trial that are not held against it: a process loads code when it first needs it."""


class Workbench(Trainer):
    """Built once per process and task; trials and baselines run on it one after another.

    It trains models as a Trainer does, gives methods their problems, and measures what comes out.
    """

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
        """See `Trainer`."""
        super().__init__(task, dataset, artifacts, device, loader, dtype, progress, start)
        changed, step = self.trained_on, self.step
        self._forgotten_classes = forgotten_classes(changed, step.forget, step.retain)
        self._gone_before = task.gone_before(dataset)
        self._taught_errors = task.forgotten.taught_errors(dataset)
        self._mislabelled = self._find_wrong_labels() if self._taught_errors else None
        self._probe = self.retain.subset(RETAIN_SAMPLE, self.generator(0))
        held_out = ResidentSource(changed.held_out, device)
        self._validation, self._test, self.calibration = (
            Split(held_out, torch.from_numpy(part), changed)
            for part in task.cut(changed.held_out.labels)
        )
        images = task.forgotten.add_trigger(changed.held_out.images)
        changed_images = None if images is None else replace(changed.held_out, images=images)
        triggered = None if changed_images is None else ResidentSource(changed_images, device)
        kin, held_out_kin = map(task.forgotten.kin_labels, (changed.train, changed.held_out))
        splits: dict[str, tuple[Split, np.ndarray | None]] = {
            "retain": (self._probe, None),
            "forget": (self.forget, kin),
            "validation": (self._validation, held_out_kin),
            "test": (self._test, held_out_kin),
        }
        if step.new.any():
            splits["learned"] = self.examples(step.new), None
        self._judged = JudgedSplits(splits, triggered, features=task.forgotten.of_persons)
        self._seen_by_original: Evaluation | None = None
        self._known: dict[tuple[str, str], Any] = {}
        self.references: ReferenceOutputs | None = None
        """What every model is held against; see tasks.references.use_references."""
        self.counts_operations_alone = False
        """Whether costs are shares of FLOPs and nothing else, so that no clock decides about any trial."""
        self._warm_up()

    def _find_wrong_labels(self) -> np.ndarray:
        """Mark the forgotten examples (N,) whose label a request changed: a later one forgets others too."""
        forgotten = np.flatnonzero(self.step.forget)
        given, right = (data.train.labels[forgotten] for data in (self.trained_on, self.dataset))
        return given != right

    def task_key(self) -> str:
        """Return the content key of the task, with what is forgotten."""
        return self.task.key(self.dataset, self.choice.mask)

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
        trained = {name: self.artifact(name).state for name in list_trained(unlearner.needs)}
        original = self.artifact(ORIGINAL)
        model, meter = self.model(original)

        def blank() -> Network:
            return self._watched_model(meter)

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
            trained_needs=trained,
            count_flops=meter.count_flops,
            count_backwards=meter.count_backwards,
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

    @property
    def validation_images(self) -> Split:
        """The validation half."""
        return self._validation

    def test_images(self, classes: tuple[int, ...]) -> Split:
        """Return the images of the test half that are of these classes."""
        labels = self._test.labels().cpu()
        return self._test.at(torch.isin(labels, torch.tensor(classes)).nonzero().flatten())

    def evaluate(
        self,
        model: Network,
        reference: int | None = None,
        asked: Collection[str] = (),
        shadows: Shadows | None = None,
    ) -> dict[str, float | None]:
        """Measure `model` by every metric of a row, and by those on request that are `asked` for.

        It is this `reference` if it is one; `shadows` are those of its method. Raises Diverged if its outputs
        are not finite.
        """
        return self._measure(self.outputs(model), model, reference, asked, shadows)

    def measure_steering(
        self, model: Network, columns: Collection[str] = ()
    ) -> tuple[dict[str, float | None], Callable[[], dict[str, float | None]]]:
        """Measure `model` by the metrics of the validation half and those of `columns` alone.

        The other metrics of a row are None. Gives these, and what measures the rest without another pass of an
        image; it is to be called while the model stays as it is. Raises Diverged as `evaluate` does.
        """
        seen = self._evaluation(self._judged.postpone(model))
        evaluation = replace(seen, references=self.references)
        steering = measure_steering(evaluation, columns)

        def measure_rest() -> dict[str, float | None]:
            return measure(evaluation, known=steering)

        return dict.fromkeys(list_in_rows()) | steering, measure_rest

    def _measure(
        self,
        seen: Evaluation,
        model: Network,
        reference: int | None = None,
        asked: Collection[str] = (),
        shadows: Shadows | None = None,
    ) -> dict[str, float | None]:
        evaluation = replace(seen, references=self.references, reference=reference)
        if asked:
            inside = self._look_inside(model, reference)
            evaluation = replace(
                evaluation, original=self._original_outputs, inside=inside, shadows=shadows
            )
        return measure(evaluation, asked)

    def _original_outputs(self) -> Evaluation:
        """Pass each split through the original model: once for all trials of this process."""
        if self._seen_by_original is None:
            self._seen_by_original = self.outputs(self._load(ORIGINAL))
        return self._seen_by_original

    def _load(self, role: str) -> Network:
        return self.model(self.artifact(role))[0]

    def _look_inside(self, model: Network, reference: int | None) -> Inside:
        """Make what the metrics get that look inside a model."""
        count = 0 if self.references is None else len(self.references)
        return Inside(
            model=model,
            make_blank=self.fresh_model,
            load_original=lambda: self._load(ORIGINAL),
            load_reference=lambda number: self._load(reference_role(number)),
            count=count,
            reference=reference,
            retain=self.retain,
            forget=self.forget,
            test=self._test,
            forgotten_classes=self._forgotten_classes,
            known=self._known,
        )

    def outputs(self, model: Network) -> Evaluation:
        """Pass each split through `model` once. Raises Diverged if outputs are not finite."""
        return self._evaluation(self._judged.pass_all(model))

    def _evaluation(self, seen: Mapping[str, Outputs]) -> Evaluation:
        return Evaluation(
            retain=seen["retain"],
            forget=seen["forget"],
            validation=seen["validation"],
            test=seen["test"],
            forgotten_classes=self._forgotten_classes,
            taught_errors=self._taught_errors,
            mislabelled=self._mislabelled,
            gone_before=self._gone_before,
            learned=seen.get("learned"),
            stale_labels=self.step.stale,
        )

    def relative_cost(self, flops: float, busy_seconds: float = 0.0) -> float:
        """Return what a method cost, as a share of a retrain.

        That is its share of the FLOPs, which nothing else on the machine disturbs. What a method computes
        outside of the model's passes without counting it has none of these: its share of the seconds, less
        SLACK, is the least that it costs, unless operations alone count.
        """
        share = flops / self.retrain_flops()
        if self.counts_operations_alone:
            return share
        retrain = math.nan if self.references is None else self.references.mean_busy_seconds
        seconds = max(0.0, busy_seconds - UNCHARGED_SECONDS)
        return (
            share
            if math.isnan(retrain)
            else max(share, seconds / retrain / SLACK[self.device.type])
        )

    def run_time_efficiency(self, busy_seconds: float) -> float | None:
        """Divide a retrain's mean busy seconds by these (RTE); None for no seconds, and without references."""
        retrain = math.nan if self.references is None else self.references.mean_busy_seconds
        return None if math.isnan(retrain) or not busy_seconds else retrain / busy_seconds

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
