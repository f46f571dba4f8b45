"""A task in this process, without Ray and Optuna: its data, and the bench that trains its models."""

# No `from __future__ import annotations`: the command line evaluates the annotations of these fields where a
# subclass is defined, and their names are unknown there.

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orchestrator.config import check_has_model, check_seed
from tasks.datasets.loaders import check_loader, choose_loader, count_free_bytes
from tasks.datasets.options import AS_THEY_ARE, DataOptions
from tasks.datasets.sources import check_data_dir
from tasks.errors import InvalidValue
from tasks.models.recipe_settings import spell_settings
from tasks.registry import one_of
from tasks.storage.roots import normalise_root, open_root
from tasks.task import Task

if TYPE_CHECKING:
    from tasks.artifacts import Artifact
    from tasks.datasets.dataset import Dataset
    from tasks.workbench import Workbench

Progress = Callable[[str, float, int, float], None]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class LocalBench:
    """The settings that decide the models of a task, and where they are kept."""

    task: str
    """Task, such as digits-class:1."""
    data_dir: Path | None = None
    """Folder with the data set."""
    options: Annotated[DataOptions, Parameter(name="*", negative=())] = AS_THEY_ARE
    """How the data are read."""
    model: str = "auto"
    """Model family: NAME or NAME:WIDTH, or your own as module:function. auto chooses by device."""
    recipe: str | None = None
    """Settings of the training that differ from the family's, as lr=.1,epochs=5: see `list models`."""
    original: Path | None = None
    """File of weights (.pt or .safetensors) that are the original model [default: it is trained]."""
    original_hash: Annotated[str | None, Parameter(parse=False)] = None
    """Content hash that these weights must have; None if any will do."""
    seed: int = 0
    """Seed of the splits, the forget set and the original model."""
    loader: Annotated[str, Parameter(parse=False)] = "auto"
    """How the training images are read: auto, ffcv, mapped or resident."""
    device: str = "auto"
    """auto, cpu or cuda."""
    cpus: Annotated[int, Parameter(name="--cpus-per-trial")] = 1
    """Torch threads, as in a sweep: on a CPU they decide the trained models to the last bit."""
    storage: str = "./results"
    """Storage root: trained models."""

    def check_settings(self) -> None:
        """Raise InvalidValue for what is wrong without a look at the data; torch is not imported."""
        check_seed(self.seed)
        if self.cpus < 1:
            raise InvalidValue(f"--cpus-per-trial {self.cpus} is out of range: at least 1")
        normalise_root(self.storage)
        spell_settings(self.recipe or "")
        check_has_model(self.original, self.model)

    def load_task(self, say: Say, *, calibration: bool = False) -> "tuple[Task, Dataset]":
        """Load the task, perhaps with a calibration split, and its data; raises InputError.

        It also sets how this process uses the machine. An original model that is given is checked, and measured.
        """
        import torch

        from tasks.compute.allocator import keep_freed_memory

        keep_freed_memory()
        torch.set_num_threads(self.cpus)
        kind = self._device_type()
        task = Task.named(
            self.task, self.model, self.seed, kind, calibration=calibration, recipe=self.recipe
        )
        check_data_dir(self.data_dir)
        dataset = task.load(self.data_dir, self.options)
        check_loader(self.loader, dataset)
        if self.original is not None:
            from tasks.models.given_original import adopt_original

            file, known = self.original.expanduser().absolute(), self.original_hash
            open_root(self._artifacts).check()
            task = adopt_original(task, dataset, file, self._artifacts, say, known)
        return task, dataset

    def open_bench(
        self, task: Task, dataset: "Dataset", training: Progress, start: "Artifact | None" = None
    ) -> "Workbench":
        """Build the bench of `load_task`'s task; raises StorageError if its models cannot be kept.

        `training` is told of the models that choose the forget set, if it needs any. `start` is what the last
        request of a sequence left.
        """
        import torch

        from tasks.workbench import Workbench

        open_root(self._artifacts).check()
        device = torch.device(self._device_type())
        return Workbench(
            task, dataset, self._artifacts, device, self.loader, progress=training, start=start
        )

    def describe(self, task: Task, dataset: "Dataset") -> str:
        """Say which task this is, from which data, and on what it runs."""
        return f"{task.name} ({dataset.source}), model {task.model} on {self._device_type()}"

    def describe_loader(self, dataset: "Dataset") -> str:
        """Say which loader reads the images, and why; raises InvalidValue for one that cannot."""
        import torch

        kind = self._device_type()
        free = count_free_bytes(torch.device(kind))
        loader, why = choose_loader(self.loader, dataset, kind, free)
        return f"loader {loader}: {why}"

    @property
    def _artifacts(self) -> str:
        return f"{normalise_root(self.storage)}/artifacts"

    def _device_type(self) -> str:
        import torch

        one_of("device", self.device, ("auto", "cpu", "cuda"))
        has_gpu = torch.cuda.is_available()
        if self.device == "cuda" and not has_gpu:
            raise InvalidValue(
                "--device cuda: torch can use no GPU on this machine; valid: auto, cpu"
            )
        return "cuda" if has_gpu and self.device != "cpu" else "cpu"
