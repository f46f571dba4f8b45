"""One trial in this process, with neither Ray nor Optuna: `orchestrator run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.config import check_seed
from tasks.datasets.loaders import check_loader
from tasks.datasets.sources import check_data_dir
from tasks.errors import InvalidValue
from tasks.registry import one_of
from tasks.search_space import parameters
from tasks.storage.roots import normal_root, storage_at
from tasks.task import Task
from tasks.unlearners import unlearner_class


def run_single(
    task: str,
    unlearner: str,
    assignments: list[str],
    data_dir: Path | None,
    model: str,
    seeds: tuple[int, int],
    loader: str,
    device: str,
    storage: str,
) -> None:
    """Train or load the original model, unlearn, and print every point's metrics.

    `seeds` are the task's and the trial's.

    Raises InvalidValue or DatasetNotFound for bad input.
    """
    for value in seeds:
        check_seed(value)
    artifacts = f"{normal_root(storage)}/artifacts"
    cls = unlearner_class(unlearner)
    method = cls.from_params(parsed(cls, assignments))
    import torch

    from tasks.compute.allocator import keep_freed_memory
    from tasks.trial import run_trial
    from tasks.workbench import Workbench

    keep_freed_memory()
    one_of("device", device, ("auto", "cpu", "cuda"))
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise InvalidValue(
            "--device cuda: this machine has none that torch can use; valid: auto, cpu"
        )
    kind = "cuda" if has_gpu and device != "cpu" else "cpu"
    chosen = Task.named(task, model, seeds[0], kind)
    check_data_dir(data_dir)
    dataset = chosen.load(data_dir)
    check_loader(loader, dataset)
    storage_at(artifacts).check()
    print(
        f"{chosen.name} ({dataset.source}), model {chosen.model} on {kind}, {unlearner} {method.params}"
    )
    bench = Workbench(chosen, dataset, artifacts, torch.device(kind), loader)
    bench.artifact("original", _show_training)
    for point in run_trial(bench, method, seeds[1]):
        print(f"epoch {point.epoch}:")
        for name, value in {**point.metrics, **vars(point.cost)}.items():
            print(f"    {name} = {'-' if value is None else format(value, '.6g')}")


def parsed(cls: type, assignments: list[str]) -> dict[str, Any]:
    """The hyper-parameters that NAME=VALUE texts spell; raises InvalidValue."""
    known = parameters(cls)
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidValue(
                f"--set {text}: not of the form NAME=VALUE; names: {', '.join(known)}"
            )
        values[name] = known[one_of("hyper-parameter", name, known)].parse(value)
    return values


def _show_training(what: str, done: int, total: int, seconds: float) -> None:
    left = f", about {seconds / done * (total - done):.0f} s left" if done else ""
    print(f"training the {what}: epoch {done}/{total}{left}", flush=True)
