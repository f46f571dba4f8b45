"""The original and the retrained model: trained once, measured, and stored beside the trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray

from orchestrator.rows import Row, provenance, trial_rows
from orchestrator.store import write_rows
from orchestrator.worker import WorkerSettings, workbench

POLL_SECONDS = 0.5
CALIBRATION_SECONDS = 2.0


@dataclass(frozen=True)
class Speed:
    """What this hardware does with this task, for the estimate."""

    gradient_per_second: float
    """Training examples per second and thread (or per GPU)."""
    evaluate_seconds: float
    """Seconds to measure one model, on one thread (or GPU)."""
    retain: int
    """Examples of the retain set."""
    forget: int
    """Examples of the forget set."""
    training_seconds: float
    """What training the baselines will still take here."""


class Baselines:
    """Trains on all of a node's CPUs, or a GPU; `progress` answers while it does."""

    def __init__(self, settings: WorkerSettings, threads: int) -> None:
        self._settings, self._threads = settings, threads
        self._progress: tuple[str, int, int, float] | None = None

    def progress(self) -> tuple[str, int, int, float] | None:
        """What is being trained, epochs done, epochs in all, seconds so far."""
        return self._progress

    def speed(self) -> Speed:
        """Calibrate on a few training steps of the real model."""
        import torch
        from torch.nn import functional as F

        from tasks.workbench import ORIGINAL, RETRAINED

        bench = self._bench()
        model = bench.fresh_model()
        rng = bench.generator(0)
        model.initialise(bench.retain.sample(100, rng), rng)
        seen, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < CALIBRATION_SECONDS:
            for x, y in bench.retain.batches(256, rng, share=min(1.0, 512 / len(bench.retain))):
                F.cross_entropy(model(x), y).backward()
                seen += len(y)
            if bench.device.type == "cuda":
                torch.cuda.synchronize()
        per_worker = 1 if self._settings.gpus else self._threads
        start = time.perf_counter()
        bench.evaluate(model)
        judged = (time.perf_counter() - start) * per_worker
        rate = seen / spent
        missing = [role for role in (ORIGINAL, RETRAINED) if not bench.is_cached(role)]
        sizes = {ORIGINAL: len(bench.retain) + len(bench.forget), RETRAINED: len(bench.retain)}
        training = sum(sizes[role] * model.recipe.epochs / rate for role in missing)
        return Speed(rate / per_worker, judged, len(bench.retain), len(bench.forget), training)

    def run(self) -> dict[str, Row]:
        """Train what is not cached, measure both, store their rows; returns them by role."""
        from tasks.trial import baseline_point
        from tasks.workbench import ORIGINAL, RETRAINED

        bench = self._bench()
        rows = {}
        for role in (ORIGINAL, RETRAINED):
            artifact = bench.artifact(role, self._note)
            point = baseline_point(bench, artifact, trained_for_this=role == RETRAINED)
            identity: dict[str, Any] = {
                **provenance(bench, role),
                "device": artifact.record.device,
                "threads": artifact.record.threads,
                "sweep": self._settings.sweep,
                "trial_id": role,
                "unlearner": "retrain" if role == RETRAINED else None,
                "params": "{}",
                "seed": self._settings.task.seed,
                "trial_key": artifact.key,
            }
            written = trial_rows([point], state="complete", **identity)
            write_rows(
                self._settings.storage, self._settings.sweep, f"{role}-{artifact.key}", written
            )
            rows[role] = written[0]
        return rows

    def _bench(self) -> Any:
        import torch

        torch.set_num_threads(self._threads)  # per thread of this actor, not only per process
        return workbench(self._settings, self._threads)

    def _note(self, what: str, done: int, total: int, seconds: float) -> None:
        self._progress = (what, done, total, seconds)


def watch(
    actor: Any, reference: Any, show: Callable[[str, int, int, float], None]
) -> dict[str, Row]:
    """Wait for `Baselines.run`, showing progress as it changes; raises what the actor raised."""
    for state in _changes(actor, reference):
        show(*state)
    rows: dict[str, Row] = ray.get(reference)
    return rows


def _changes(actor: Any, reference: Any) -> Iterator[tuple[str, int, int, float]]:
    last = None
    while not ray.wait([reference], timeout=POLL_SECONDS)[0]:
        state = ray.get(actor.progress.remote())
        if state is not None and state != last:
            last = state
            yield state
