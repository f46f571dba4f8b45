"""The original model and the references: trained once, measured, and stored with the trials."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from orchestrator.results.rows import Row, trial_rows
from orchestrator.results.store import read_finished_trials, write_rows
from orchestrator.worker.identity import collect_provenance
from orchestrator.worker.node_faults import blame_node
from orchestrator.worker.settings import WorkerSettings, get_workbench
from tasks.errors import UnfitNode
from tasks.roles import is_further_role

if TYPE_CHECKING:
    from tasks.workbench import Workbench

CALIBRATION_SECONDS = 0.25
CALIBRATION_PASSES = 4
"""Least number of passes: one pass of a large model may already take that long."""


@dataclass(frozen=True)
class Ready:
    """A process has its data and knows which models and needs are missing."""

    dtype: str
    """Dtype of the forward pass, of all models and trials of the sweep."""
    missing: tuple[str, ...]
    """Roles of the models, and names of the needs, that other processes have to train."""
    forgotten: str
    """A line that says what is forgotten."""


@dataclass(frozen=True)
class Speed:
    """The speed of a trial's CPUs or share of a GPU on this task, for the estimate."""

    gradient_per_second: float
    """Training examples per second."""
    evaluate_seconds: float
    """Seconds to measure one model."""
    retain: int
    """Examples of the retain set."""
    forget: int
    """Examples of the forget set."""
    recipe_epochs: int
    """Epochs of a whole training."""
    trainings: tuple[float, ...]
    """Estimated seconds of each training that is still to be done."""
    calibration: int = 0
    """Images of the calibration split."""


@dataclass(frozen=True)
class Training:
    """The progress of a model's training."""

    what: str
    done: float
    """Epochs done; a fraction within an epoch that takes long."""
    total: int
    """Epochs in all."""
    seconds: float
    """Seconds so far."""


Rows = dict[str, Row]
Event = Ready | Speed | Training | Rows
Tell = Callable[[Event], None]


def prepare_models(settings: WorkerSettings, calibrate: bool) -> Iterator[Event]:
    """Train the original model if it is missing; measure all models if none is. Runs as a Ray task.

    Yields Ready, a Speed if `calibrate` is set, a Training per epoch or ten seconds, and at last the rows by trial
    id, unless other processes have to train references or needs first: then it is to be run once more.
    """
    yield from _yield_events(lambda tell: _prepare(settings, calibrate, tell))


def train_model(settings: WorkerSettings, role: str) -> Iterator[Event]:
    """Train the model of `role`, or the need of that name, unless it is cached. Runs as a Ray task.

    Yields a Training per epoch or ten seconds.
    """
    yield from _yield_events(lambda tell: _train(settings, role, tell))


def drop_shadows(settings: WorkerSettings) -> Iterator[Event]:
    """Delete the weights of the shadow models; what they said of each method is kept. Runs as a Ray task."""

    def drop(tell: Tell) -> None:
        from tasks.shadows.models import drop_weights

        drop_weights(_build_bench(settings, tell), settings.further, settings.shadows)

    yield from _yield_events(drop)


def _yield_events(work: Callable[[Tell], None]) -> Iterator[Event]:
    """Run `work` in a thread, and yield what it tells."""
    events: SimpleQueue[Event | None] = SimpleQueue()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work, events.put)
        done.add_done_callback(lambda _: events.put(None))
        while (event := events.get()) is not None:
            yield event
        done.result()


def _prepare(settings: WorkerSettings, calibrate: bool, tell: Tell) -> None:
    from tasks.roles import ORIGINAL

    stored = read_finished_trials(settings.storage, settings.sweep)
    models = {trial_id: rows[0] for trial_id, rows in stored.items() if rows[0]["role"] != "trial"}
    # Earlier trials started from these models: a resume on other hardware keeps their dtype.
    before = next((row["dtype"] for row in models.values() if row["dtype"]), None)
    bench = _build_bench(settings.with_dtype(before or settings.dtype), tell)
    missing = [role for role in settings.trained if not _is_stored(settings, bench, role)]
    others = tuple(role for role in missing if role != ORIGINAL)
    tell(Ready(bench.dtype, others, bench.describe_choice()))
    if calibrate:
        tell(measure_speed(bench, missing))
    if ORIGINAL in missing:
        bench.artifact(ORIGINAL, lambda *progress: tell(Training(*progress)))
    if not others:
        tell(_measure_models(settings, bench, models))


def _train(settings: WorkerSettings, role: str, tell: Tell) -> None:
    bench = _build_bench(settings, tell)

    def progress(*done: Any) -> None:
        tell(Training(*done))

    if is_further_role(role):
        from tasks.shadows import models

        models.train(bench, role, settings.shadows, progress)
    else:
        bench.artifact(role, progress)


def _is_stored(settings: WorkerSettings, bench: Workbench, role: str) -> bool:
    if not is_further_role(role):
        return bench.is_cached(role)
    from tasks.shadows.models import is_stored

    return is_stored(bench, role, settings.shadows)


def _build_bench(settings: WorkerSettings, tell: Tell) -> Workbench:
    try:
        with blame_node():
            return get_workbench(
                settings, settings.cpus, lambda *progress: tell(Training(*progress))
            )
    except UnfitNode as unfit:
        unfit.node = _find_node()
        raise


def _find_node() -> str | None:
    """Return Ray's id of this node; None outside of a cluster, where asking Ray would start one."""
    import ray

    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else None


def _measure_models(settings: WorkerSettings, bench: Workbench, stored: Rows) -> Rows:
    """Return the row of each model; measure and store those that are not stored yet."""
    from tasks.references import use_references

    rows = {}
    use_references(bench, settings.references)
    for role in settings.roles:
        before = stored.get(role)
        if before is not None and before["trial_key"] == bench.key(role):
            rows[role] = before
            continue
        rows[role] = row = _model_row(settings, bench, role)
        key, files = row["trial_key"], f"{role}-"
        write_rows(settings.storage, settings.sweep, files + key, [row], instead_of=files)
    return rows


def _model_row(settings: WorkerSettings, bench: Workbench, role: str) -> Row:
    from tasks.roles import ORIGINAL, RETRAINED, reference_number, training_seed
    from tasks.trial import baseline_point

    artifact = bench.artifact(role)
    record, given = artifact.record, bench.task.original
    is_reference = role != ORIGINAL
    point = baseline_point(
        bench,
        artifact,
        trained_for_this=is_reference,
        reference=reference_number(role),
        asked=settings.metrics,
    )
    identity: dict[str, Any] = {
        **collect_provenance(bench, RETRAINED if is_reference else ORIGINAL),
        "device": record and record.device,
        "threads": record and record.threads,
        "training_seconds": record and record.seconds,
        "original_file": given.file if given and not is_reference else None,
        "sweep": settings.sweep,
        "confirms": settings.confirms,
        "references": settings.references,
        "trial_id": role,
        "unlearner": "retrain" if is_reference else None,
        "params": "{}",
        "seed": training_seed(role, settings.task.seed) if record else None,
        "trial_key": artifact.key,
    }
    return trial_rows([point], state="complete", **identity)[0]


def measure_speed(bench: Workbench, missing: list[str]) -> Speed:
    """Measure the Speed of `bench` with a few training steps; `missing` are models and needs to be trained."""
    import torch

    model = bench.fresh_model()
    rng = bench.generator(0)
    model.initialise(bench.retain.sample(100, rng), rng)

    def learn(passes: int, seconds: float) -> float:
        """Train; return examples per second."""
        seen, start = 0, time.perf_counter()
        for done in itertools.count():
            if done >= passes and time.perf_counter() - start >= seconds:
                break
            for x, y in bench.retain.batches(256, rng, share=min(1.0, 512 / len(bench.retain))):
                torch.nn.functional.cross_entropy(model(x), y).backward()
                seen += len(y)
            if bench.device.type == "cuda":
                torch.cuda.synchronize()
        return seen / (time.perf_counter() - start)

    learn(1, 0.0)  # the first steps compile kernels
    rate = learn(CALIBRATION_PASSES, CALIBRATION_SECONDS)
    start = time.perf_counter()
    bench.evaluate(model)
    evaluate_seconds = time.perf_counter() - start
    retain, forget, epochs = len(bench.retain), len(bench.forget), model.recipe.epochs
    trainings = tuple(bench.training_samples(role) / rate for role in missing)
    sizes_of_sets = retain, forget, epochs
    return Speed(rate, evaluate_seconds, *sizes_of_sets, trainings, len(bench.calibration))
