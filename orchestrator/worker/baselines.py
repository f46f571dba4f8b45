"""The original and the retrained model: trained once, measured, and stored with the trials."""

from __future__ import annotations

import dataclasses
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
from tasks.roles import ORIGINAL, RETRAINED, reference_role

if TYPE_CHECKING:
    from tasks.workbench import Workbench

CALIBRATION_SECONDS = 0.5
CALIBRATION_PASSES = 4
"""Least number of passes: one pass of a large model may already take half a second."""


@dataclass(frozen=True)
class Speed:
    """The speed of this hardware on this task, for the estimate."""

    gradient_per_second: float
    """Training examples per second and thread (or per GPU)."""
    evaluate_seconds: float
    """Seconds to measure one model, on one thread (or GPU)."""
    retain: int
    """Examples of the retain set."""
    forget: int
    """Examples of the forget set."""
    recipe_epochs: int
    """Epochs of a whole training."""
    training_seconds: float
    """Estimated seconds for the baselines that are not trained yet."""


@dataclass(frozen=True)
class Training:
    """The progress of a baseline's training."""

    what: str
    done: int
    """Epochs done."""
    total: int
    """Epochs in all."""
    seconds: float
    """Seconds so far."""


Rows = dict[str, Row]
Event = Speed | Training | Rows


def prepare_baselines(settings: WorkerSettings, threads: int, calibrate: bool) -> Iterator[Event]:
    """Train the models that are not cached, measure both, store their rows. Runs as a Ray task.

    Yields a Speed if `calibrate` is set, a Training per epoch, and finally the rows by role.
    """
    events: SimpleQueue[Event | None] = SimpleQueue()
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(_prepare, settings, threads, calibrate, events.put)
        work.add_done_callback(lambda _: events.put(None))
        while (event := events.get()) is not None:
            yield event
        yield work.result()


def _prepare(
    settings: WorkerSettings, threads: int, calibrate: bool, tell: Callable[[Event], None]
) -> Rows:
    from tasks.references import use_references

    measured = read_finished_trials(settings.storage, settings.sweep)
    # Earlier trials started from these models: a resume on other hardware keeps their dtype.
    before = [row["dtype"] for role in (ORIGINAL, RETRAINED) for row in measured.get(role, [])]
    dtype = next(filter(None, before), settings.dtype)
    settings = dataclasses.replace(settings, dtype=dtype)
    with blame_node():
        bench = get_workbench(settings, threads)
    if calibrate:
        tell(measure_speed(bench, 1 if settings.gpus else threads, settings.references))

    def show(*progress: Any) -> None:
        tell(Training(*progress))

    bench.artifact(ORIGINAL, show)
    use_references(bench, settings.references, show)
    rows = {}
    for role in (ORIGINAL, RETRAINED):
        key = bench.key(role)
        stored = [row for row in measured.get(role, []) if row["trial_key"] == key]
        rows[role] = stored[0] if stored else _baseline_row(settings, bench, role, tell)
        if not stored:
            files = f"{role}-"
            write_rows(
                settings.storage, settings.sweep, files + key, [rows[role]], instead_of=files
            )
    return rows


def _baseline_row(
    settings: WorkerSettings, bench: Workbench, role: str, tell: Callable[[Event], None]
) -> Row:
    from tasks.roles import RETRAINED
    from tasks.trial import baseline_point

    artifact = bench.artifact(role, lambda *progress: tell(Training(*progress)))
    point = baseline_point(bench, artifact, trained_for_this=role == RETRAINED)
    identity: dict[str, Any] = {
        **collect_provenance(bench, role),
        "device": artifact.record.device,
        "threads": artifact.record.threads,
        "sweep": settings.sweep,
        "confirms": settings.confirms,
        "trial_id": role,
        "unlearner": "retrain" if role == RETRAINED else None,
        "params": "{}",
        "seed": settings.task.seed,
        "trial_key": artifact.key,
    }
    return trial_rows([point], state="complete", **identity)[0]


def measure_speed(bench: Workbench, workers: int, references: int) -> Speed:
    """The Speed of `bench`, from a few training steps of the real model.

    `workers` is how many trials could do the same beside each other on what this process has;
    `references` are to be trained, the retrained model among them.
    """
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
    judged = (time.perf_counter() - start) * workers
    sizes = {reference_role(number): len(bench.retain) for number in range(max(1, references))}
    sizes[ORIGINAL] = len(bench.retain) + len(bench.forget)
    missing = [role for role in sizes if not bench.is_cached(role)]
    epochs = model.recipe.epochs
    training = sum(sizes[role] * epochs / rate for role in missing)
    return Speed(rate / workers, judged, len(bench.retain), len(bench.forget), epochs, training)
