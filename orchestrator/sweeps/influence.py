"""Influence functions on a task's original model, in this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.sweeps.local_bench import LocalBench, Progress, Say
from tasks.errors import InvalidValue
from tasks.forget_sets.updates.base import DataUpdate
from tasks.influence import SOLVERS
from tasks.influence.solver import Report, Solver
from tasks.sequences.requests import refuse_sequence

if TYPE_CHECKING:
    from orchestrator.results.influence import Influence
    from tasks.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class InfluenceQuery(LocalBench):
    """One held-out example, and how its influences are computed: the settings of `orchestrator influence`."""

    test_example: int
    """Index of the held-out example, from 0."""
    solver: str = "cg"
    """cg, lissa or ekfac."""
    damping: float = 0.01
    """Added to the curvature. More makes scores less exact and less noisy."""
    curvature_examples: int = 5000
    """Training examples on which the curvature is estimated."""

    def run(self, say: Say, training: Progress, report: Report) -> Influence:
        """Train or load the original model, and compute the influence of each training example.

        Raises InputError for bad input, before anything is trained.
        """
        self.check_settings()
        refuse_sequence(self.task, "influence")
        solver = self._check_solver()
        from tasks.roles import ORIGINAL

        task, dataset = self.load_task(say)
        if isinstance(task.forgotten, DataUpdate):
            raise InvalidValue(
                f"influence: {task.name} also brings examples that the original was not trained on; valid: a task "
                f"without an update, such as {task.dataset}-random:0.1"
            )
        held_out = len(dataset.held_out)
        if not 0 <= self.test_example < held_out:
            raise InvalidValue(
                f"--test-example {self.test_example} is out of range: {dataset.name} has the held-out "
                f"examples 0..{held_out - 1}"
            )
        say(f"{self.describe(task, dataset)}, solver {self.solver}, damping {self.damping:g}")
        bench = self.open_bench(task, dataset, training)
        say(bench.describe_choice())
        bench.artifact(ORIGINAL, training)
        return self._measure(bench, solver, report)

    def _check_solver(self) -> Solver:
        if not 0 < self.damping < float("inf"):
            raise InvalidValue(f"--damping {self.damping} is out of range: above 0")
        if self.curvature_examples < 1:
            raise InvalidValue(
                f"--curvature-examples {self.curvature_examples} is out of range: at least 1"
            )
        cls = SOLVERS.resolve(self.solver)
        if not (isinstance(cls, type) and issubclass(cls, Solver)):
            raise InvalidValue(
                f"solver {self.solver!r} is not a subclass of tasks.influence.solver.Solver"
            )
        return cls()

    def _measure(self, bench: Workbench, solver: Solver, report: Report) -> Influence:
        import numpy as np
        import torch

        from orchestrator.results.influence import Influence
        from tasks.datasets.splits import ResidentSource, Split
        from tasks.influence.objective import cross_entropies
        from tasks.influence.scores import influence_scores, training_objective
        from tasks.roles import ORIGINAL

        task = bench.task
        start, changed = time.perf_counter(), bench.trained_on
        everything = bench.retain.joined(bench.forget)
        model, _ = bench.model(bench.artifact(ORIGINAL))
        objective = training_objective(model, everything)
        source = ResidentSource(changed.held_out, bench.device)
        x, y = Split(source, torch.tensor([self.test_example]), changed).take(torch.tensor([0]))
        found = influence_scores(
            objective,
            (x, y),
            solver,
            self.damping,
            report,
            curvature=everything.subset(self.curvature_examples, bench.generator(self.seed)),
        )
        scores = np.zeros(len(everything), dtype=np.float64)
        scores[everything.indices.numpy()] = found.cpu().numpy()
        with torch.no_grad():
            logits = model(x)
        return Influence(
            task=task.name,
            model=task.model,
            solver=self.solver,
            damping=self.damping,
            seconds=time.perf_counter() - start,
            test_example=self.test_example,
            image=changed.held_out.images[self.test_example],
            label=int(y),
            predicted=int(logits.argmax()),
            loss=float(cross_entropies(logits, y)),
            classes=changed.classes,
            images=changed.train.images,
            labels=changed.train.labels,
            scores=scores,
            forgotten=bench.choice.mask,
        )
