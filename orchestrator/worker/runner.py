"""Runs proposed trials in this process, one after another, and stores the rows of each when it ends."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Generator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.results.objectives import FrontRule
from orchestrator.results.rows import OWN_SECONDS, Row, trial_rows
from orchestrator.results.store import read_stored_rows, settle_rows, write_rows
from orchestrator.worker.deadline import Deadline, explain_overrun
from orchestrator.worker.early_stopping import Limits
from orchestrator.worker.identity import collect_provenance, proposed_identity
from orchestrator.worker.known_front import KNOWN, NOTHING, KnownFront
from orchestrator.worker.node_faults import blame_node, describe_error, describe_fault
from orchestrator.worker.settings import WorkerSettings, get_workbench, open_step
from tasks.errors import UNWRITABLE, UnfitNode
from tasks.search_space import EPOCHS
from tasks.unlearners import unlearner_class

if TYPE_CHECKING:
    from tasks.evaluation.shadows.outputs import Shadows
    from tasks.trial import Point, Thrift
    from tasks.unlearners.base import Unlearner
    from tasks.workbench import Workbench


class TrialRunner:
    """Runs the trials of a sweep that this process is given: see `run`, and `settle` after the last of a call."""

    def __init__(
        self, settings: WorkerSettings, shared: Row, limits: Limits, rule: FrontRule | None = None
    ) -> None:
        """Begin without a trial; `shared` are the sweep's `shared_columns`.

        With a `rule`, points that no front will show are not measured whole.
        """
        self._settings, self._shared, self._limits = settings, shared, limits
        self._rule = rule
        self._deadline = Deadline(None, lambda: None)
        self._where: Row = {}
        """Filled once there is a workbench."""
        self._unsettled: list[str] = []
        """Keys of the trials that a power cut may still undo."""

    def _turn_to(self, trial: dict[str, Any]) -> None:
        self._trial = trial
        self._identity = proposed_identity(self._settings, self._shared["task_key"], trial)
        self._points: list[Point] = []
        self._known: KnownFront = trial.get(KNOWN, NOTHING)

    def get_ready(self, trial: dict[str, Any]) -> dict[str, Any] | None:
        """Build what the trials of this process share; where that goes wrong, return the answer of `trial`.

        Raises UnfitNode if that cannot be done on this node: another one may run the trial.
        """
        self._turn_to(trial)
        settings = self._settings
        try:
            with blame_node():
                with Deadline(settings.trial_seconds, lambda: None):
                    from tasks.references import use_references
                    from tasks.roles import ORIGINAL

                    bench = get_workbench(settings, settings.cpus)
                # Not within the trial, which would fail with it; if another process trains it, that
                # takes what it takes.
                bench.artifact(ORIGINAL)
                use_references(bench, settings.references)
                self._where = collect_provenance(bench)
        except UnfitNode:
            raise
        except UNWRITABLE as problem:
            return self._unstored(problem)
        except Exception as error:
            return self._failed(error)
        return None

    def run(self, trial: dict[str, Any]) -> dict[str, Any]:
        """Run a trial to its end and store its rows; return what the driver needs of them.

        Whatever goes wrong in a trial becomes a failed row: the process lives on. A storage that cannot
        be reached is no trial's failure: it ends the sweep.
        """
        self._turn_to(trial)
        limit = self._settings.limit_seconds
        self._deadline = Deadline(limit, lambda: self._give_up(explain_overrun(limit)))
        with self._deadline:
            return self._run_or_read()

    def _run_or_read(self) -> dict[str, Any]:
        settings = self._settings
        # A worker may have stored this very trial before it died.
        try:
            stored = read_stored_rows(settings.storage, settings.sweep, self._identity["trial_key"])
        except UNWRITABLE as problem:
            return self._unstored(problem)
        if stored:
            self._unsettled.append(self._identity["trial_key"])
            return self._done(stored)
        try:
            state, reason = self._ended(get_workbench(settings, settings.cpus))
        except Exception as error:
            return self._failed(error)
        return self._finish(state, reason)

    def settle(self) -> dict[str, Any] | None:
        """Wait for the disk, once for all that this process stored; return an answer only where that goes wrong.

        No call is answered before. A wait takes as long as storing a trial does. A storage that hangs ends the process.
        """
        try:
            with Deadline(self._settings.trial_seconds, lambda: None):
                self._wait_for_disk()
        except UNWRITABLE as problem:
            return self._unstored(problem)
        return None

    def _wait_for_disk(self) -> None:
        keys, self._unsettled = self._unsettled, []
        settle_rows(self._settings.storage, self._settings.sweep, keys)

    def finish(self) -> None:
        """Let the process end; what a hanging trial would wait for no longer matters."""
        self._deadline.finish()

    def _ended(self, bench: Workbench) -> tuple[str, str | None]:
        """Run the trial to its end; the state that it ended in, and why."""
        params, reason = self._trial["params"], None
        with contextlib.closing(self._begun(bench)) as points:
            for point in points:
                if self._points and self._points[-1].epoch == point.epoch:
                    self._points[-1] = point  # the same, measured whole
                else:
                    self._points.append(point)
                if self._rule is not None:
                    self._known = self._known.join([_row_of(point)], self._rule)
                # Of a method that does not say how many points it has, only one more tells that
                # the last one was not its end.
                ended = reason
                reason = self._limits.why_ended(point.cost.relative_cost, point.epoch, params)
                if ended or (reason and EPOCHS in params):
                    return "pruned", ended or reason
        return ("complete", None) if self._points else ("failed", "the unlearner yielded nothing")

    def _begun(self, bench: Workbench) -> Generator[Point, None, None]:
        from tasks.trial import run_trial

        trial = self._trial
        unlearner = unlearner_class(trial["unlearner"]).from_params(trial["params"])
        self._identity = {**self._identity, "certificate": unlearner.certificate}
        self._deadline.begin()
        asked = self._settings.metrics
        if bench.task.joint:
            from tasks.sequences.course import run_whole

            open_bench = functools.partial(open_step, self._settings)
            return run_whole(bench, open_bench, unlearner, trial["seed"], asked)
        shadows = self._make_shadows(bench, unlearner)
        return run_trial(bench, unlearner, trial["seed"], asked, shadows, thrift=self._thrift())

    def _make_shadows(self, bench: Workbench, unlearner: Unlearner) -> Shadows | None:
        """Make the shadow models that the metrics read; None if none does."""
        settings = self._settings
        if not settings.further:
            return None
        from tasks.shadows.study import make_shadows

        return make_shadows(bench, unlearner, self._trial["seed"], settings.shadows)

    def _thrift(self) -> Thrift | None:
        """Return how points before the last are measured: None if all of each is."""
        from tasks.trial import Thrift

        rule = self._rule
        if rule is None:
            return None

        def is_wanted(point: Point) -> bool:
            ends = self._limits.why_ended(
                point.cost.relative_cost, point.epoch, self._trial["params"]
            )
            return ends is not None or self._known.is_wanted(_row_of(point), rule)

        return Thrift(self._settings.objective_columns, is_wanted)

    def _failed(self, error: Exception) -> dict[str, Any]:
        done = self._finish("failed", describe_error(error))
        if self._settings.gpus and "CUDA error" in str(error):
            self.settle()
            os._exit(1)  # every later call of this process would fail too; another finds the row
        return done

    def _finish(self, state: str, error: str | None) -> dict[str, Any]:
        self._deadline.finish()
        try:
            rows = self._store(state, error)
        except UNWRITABLE as problem:
            return self._unstored(problem)
        return self._done(rows)

    def _unstored(self, problem: Exception) -> dict[str, Any]:
        """Not the trial's failure: the sweep ends, and can be resumed."""
        return {"done": True, "trial": self._trial["trial_id"], "unstored": describe_fault(problem)}

    def _done(self, rows: list[Row]) -> dict[str, Any]:
        slim = _slim(rows, self._settings)
        return {"done": True, "trial": self._trial["trial_id"], "rows": slim}

    def _give_up(self, why: str) -> None:
        self._store("failed", why)
        self._wait_for_disk()

    def _store(self, state: str, error: str | None) -> list[Row]:
        settings, points = self._settings, list(self._points)  # a trial given up may be adding one
        columns = {**self._shared, **self._where, **self._identity}
        rows = trial_rows(points, state=state, error=error, **columns)
        key = self._identity["trial_key"]
        self._unsettled.append(key)
        return write_rows(settings.storage, settings.sweep, key, rows, settled=False)


def _row_of(point: Point) -> Row:
    """Return what a front reads of a point."""
    return {**point.metrics, **asdict(point.cost)}


def _slim(rows: list[Row], settings: WorkerSettings) -> list[Row]:
    """Keep what the driver needs of the rows: the store has the rest, and the driver must stay small."""
    from orchestrator.results.objectives import SCORING

    needed = {"epoch", "state", "error", *SCORING, *OWN_SECONDS, *settings.objective_columns}
    return [{name: row.get(name) for name in needed} for row in rows]
