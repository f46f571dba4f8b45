"""One trial in this process, without Ray and Optuna."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import check_seed
from tasks.datasets.loaders import choose_loader, count_free_bytes
from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.datasets.sources import check_data_dir
from tasks.errors import InvalidValue
from tasks.registry import one_of
from tasks.roles import check_count
from tasks.search_space import parameters
from tasks.storage.roots import normalise_root, open_root
from tasks.task import Task
from tasks.unlearners import unlearner_class

if TYPE_CHECKING:
    from tasks.trial import Point

Progress = Callable[[str, int, int, float], None]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class SingleTrial:
    """One trial, described by the settings of `orchestrator run`."""

    task: str
    unlearner: str
    params: Mapping[str, Any]
    data_dir: Path | None = None
    options: DataOptions = AS_THEY_ARE
    """How the data are read."""
    model: str = "auto"
    seed: int = 0
    """Seed of the splits, the forget set and the trained models."""
    trial_seed: int = 0
    loader: str = "auto"
    device: str = "auto"
    storage: str = "./results"
    cpus: int = 1
    """Torch threads, as --cpus-per-trial of a sweep: they decide the trained weights to the last bit."""
    references: int = 2
    """Retrained models that the trial is held against; 0 leaves the metrics that need them null."""

    def run(self, say: Say, training: Progress) -> Iterator[dict[str, Any]]:
        """Unlearn, and yield each point as a row: epoch, metrics, costs. See `points`."""
        for point in self.points(say, training):
            yield {"epoch": point.epoch, **point.metrics, **asdict(point.cost)}

    def points(self, say: Say, training: Progress) -> Iterator[Point]:
        """Train or load the original model and the references, unlearn, and yield each point.

        Raises InputError for bad input, before anything is trained.
        """
        for seed in (self.seed, self.trial_seed):
            check_seed(seed)
        check_count(self.references)
        if self.cpus < 1:
            raise InvalidValue(f"--cpus-per-trial {self.cpus} is out of range: at least 1")
        artifacts = f"{normalise_root(self.storage)}/artifacts"
        method = unlearner_class(self.unlearner).from_params(dict(self.params))
        import torch

        from tasks.compute.allocator import keep_freed_memory
        from tasks.references import use_references
        from tasks.roles import ORIGINAL
        from tasks.trial import run_trial
        from tasks.workbench import Workbench

        keep_freed_memory()
        torch.set_num_threads(self.cpus)
        kind = self._device_type()
        task = Task.named(self.task, self.model, self.seed, kind)
        check_data_dir(self.data_dir)
        dataset = task.load(self.data_dir, self.options)
        device = torch.device(kind)
        loader, why = choose_loader(self.loader, dataset, kind, count_free_bytes(device))
        open_root(artifacts).check()
        where = f"{task.name} ({dataset.source}), model {task.model} on {kind}"
        say(f"{where}, {self.unlearner} {method.params}")
        say(f"loader {loader}: {why}")
        bench = Workbench(task, dataset, artifacts, device, self.loader)
        bench.artifact(ORIGINAL, training)
        use_references(bench, self.references, training)
        yield from run_trial(bench, method, self.trial_seed)

    def _device_type(self) -> str:
        import torch

        one_of("device", self.device, ("auto", "cpu", "cuda"))
        has_gpu = torch.cuda.is_available()
        if self.device == "cuda" and not has_gpu:
            raise InvalidValue(
                "--device cuda: torch can use no GPU on this machine; valid: auto, cpu"
            )
        return "cuda" if has_gpu and self.device != "cpu" else "cpu"


def parse_assignments(unlearner: str, assignments: list[str]) -> dict[str, Any]:
    """Return the hyper-parameters that NAME=VALUE texts set; raise InvalidValue for a wrong one."""
    known = parameters(unlearner_class(unlearner))
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidValue(
                f"--set {text}: not of the form NAME=VALUE; names: {', '.join(known)}"
            )
        values[name] = known[one_of("hyper-parameter", name, known)].parse(value)
    return values
