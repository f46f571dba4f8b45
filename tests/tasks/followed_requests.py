"""Sequences of requests as tests follow them on the digits, and methods that note what they were given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from orchestrator.results.sequences.matrix import ForgettingMatrix
from orchestrator.results.sequences.stages import make_matrix
from tasks.artifacts import Artifact
from tasks.datasets.dataset import Dataset
from tasks.problem import Problem
from tasks.sequences.course import Stage, run_requests
from tasks.sequences.groups import list_groups
from tasks.task import Task
from tasks.unlearners.base import Unlearner
from tasks.workbench import Workbench

HERE = "float32", "cpu"
"""What a key says of the numbers of a model and of the device that trains it."""
CPU = torch.device("cpu")
THREE = "digits-class:1;class:7;random:0.05"
SEEN: list[tuple[Problem, dict[str, torch.Tensor], dict[str, torch.Tensor]]] = []
"""The problem of each request that Shift met, the weights of its teacher, and those that it left."""


@dataclass(frozen=True)
class Idle(Unlearner):
    """The identity: leaves the model as it is."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """See Unlearner."""
        yield


@dataclass(frozen=True)
class Shift(Unlearner):
    """Moves every weight a little, and notes what it was given."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """See Unlearner."""
        teacher = {n: t.clone() for n, t in problem.original().state_dict().items()}
        with torch.no_grad():
            for weight in problem.model.parameters():
                weight.add_(0.001)
        left = {n: t.clone() for n, t in problem.model.state_dict().items()}
        SEEN.append((problem, teacher, left))
        yield


def follow(
    name: str, method: Unlearner, bench: Workbench, digits: Dataset, references: int = 0
) -> list[Stage]:
    """Run a sequence on the models of another bench's cache."""

    def open_bench(task: Task, start: Artifact | None) -> Workbench:
        return Workbench(task, digits, bench.cache.root, CPU, start=start)

    return list(run_requests(Task.named(name), digits, open_bench, method, 0, references))


def matrix_of(stages: list[Stage], digits: Dataset) -> ForgettingMatrix:
    """Make the accuracy matrix of a sequence."""
    groups = [group.name for group in list_groups(stages[0].task, digits)]
    return make_matrix("some", groups, stages)
