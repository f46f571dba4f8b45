"""Dead workers: which deaths count against a trial, and the row of a trial that had too many.

A worker's own death counts, also for want of memory. The death of its node does not.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayActorError, RayTaskError

from orchestrator.results.rows import Row, trial_rows
from orchestrator.results.store import read_finished_trials, write_rows
from orchestrator.worker.call import THEN
from orchestrator.worker.identity import proposed_identity
from orchestrator.worker.settings import WorkerSettings
from tasks.errors import UnfitNode

MAX_DEATHS = 3
"""Times a trial whose worker dies is run again."""
MAX_LOSSES = 20
"""Times a trial that loses its node is run again: the trial may be what takes nodes down."""
SETTLING_SECONDS = 2.0
"""How much later than its worker a node may be missed: a machine shuts down its processes one by one."""


class UnfitWorker(RayActorError):
    """A worker whose node can run no trial; the message says why. Its trial is not at fault."""

    is_avoided = False
    """Whether its place stays taken, so that no trial comes there again."""

    def __init__(self, reason: str) -> None:
        super().__init__(error_msg=reason, preempted=True)  # which Tune does not count


class Deaths:
    """What Tune is told of the workers that die in a search.

    `node_of` gives the id of the node that an actor was on, by the actor's id; None if nobody knows.
    """

    def __init__(self, node_of: Callable[[str], str | None]) -> None:
        self._node_of = node_of
        self._latest: dict[str, Exception] = {}
        """How each trial's worker died last."""
        self._losses: Counter[str] = Counter()
        """How often each trial has lost its node."""
        self._unfit: Counter[str] = Counter()
        """How often each trial came to a node that can run none."""

    def why_given_up(self, trial_id: str) -> str:
        """Return the error of a trial that is not run again; raises UnfitNode if no node can run it."""
        if isinstance(self._latest[trial_id], UnfitWorker):
            raise UnfitNode(str(self._latest[trial_id]))
        times = f"the worker died {MAX_DEATHS + 1} times"
        if self._losses[trial_id] > MAX_LOSSES:
            times = f"its node was lost {self._losses[trial_id]} times"
        return f"{times}, at last: {_reason(self._latest[trial_id])}"

    def counts(self, trial_id: str) -> bool:
        """Tell whether the last death counts against its trial."""
        return not _is_loss(self._latest[trial_id])

    def judged(self, exception: Exception) -> Exception:
        """Return the exception as Tune is to see it."""
        if isinstance(exception, OutOfMemoryError):
            # No RayActorError: Tune's actor manager would raise it as one that nobody expected, which
            # ends the sweep (Ray 2.60; Ray tells memory apart since ray-project/ray#32107).
            exception = RayActorError(error_msg=f"out of memory: {exception}")
        if isinstance(exception, RayTaskError) and isinstance(exception.cause, UnfitNode):
            return UnfitWorker(str(exception.cause))
        if isinstance(exception, RayTaskError):  # of the worker's: Tune would end the trial for it
            exception = RayActorError(error_msg=f"{_type(exception.cause)}: {exception.cause}")
        if not isinstance(exception, RayActorError) or exception.preempted:
            return exception
        if self._is_innocent(exception):
            # Tune keeps no count of preempted workers alone. Ray's own mark is for nodes that its
            # autoscaler drained (ray-project/ray#41609).
            return RayActorError(exception.actor_id, str(exception), preempted=True)
        return exception

    def is_last(self, call: Mapping[str, Any], exception: Exception) -> bool:
        """Note a judged death; return whether Tune is to give the call up, for a reason that it does not count.

        A call of several trials is not run again: each of them that has not ended gets a call of its own, so
        that deaths are counted for the trial that they are of.
        """
        trial_id = call["trial_id"]
        self._latest[trial_id] = exception
        if THEN in call:
            return True
        if isinstance(exception, UnfitWorker) and not exception.is_avoided:
            self._unfit[trial_id] += 1
            return self._unfit[trial_id] > (MAX_DEATHS if has_other_nodes() else 0)
        self._losses[trial_id] += _is_loss(exception)
        return self._losses[trial_id] > MAX_LOSSES

    def _is_innocent(self, error: RayActorError) -> bool:
        """Tell whether the worker died with its node, or is only out of reach."""
        if isinstance(error, ActorUnavailableError):
            return True  # the node of a worker that died by itself says so at once
        if error.actor_id is None or error.actor_init_failed:
            return False
        node = self._node_of(error.actor_id)
        until = time.monotonic() + SETTLING_SECONDS
        while any(n["NodeID"] == node and n["Alive"] for n in ray.nodes()):
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        return bool(node)


def crashed_rows(
    settings: WorkerSettings, shared: Row, proposed: Mapping[str, Any], error: str
) -> list[Row]:
    """Store the trial as failed for this reason, unless it wrote its own rows; return what is stored.

    `shared` are the sweep's `shared_columns`.
    """
    if written := read_ended(settings, [proposed]):
        return written[0]
    identity = shared | proposed_identity(settings, shared["task_key"], proposed)
    rows = trial_rows([], state="failed", error=error, **identity)
    return write_rows(settings.storage, settings.sweep, identity["trial_key"], rows)


def read_ended(settings: WorkerSettings, call: Sequence[Mapping[str, Any]]) -> list[list[Row]]:
    """Return the stored rows of the trials of a call that ended before its worker did, in order."""
    # By name, not by file: the sweep's files may have been merged meanwhile.
    stored = read_finished_trials(settings.storage, settings.sweep)
    ended = itertools.takewhile(stored.__contains__, (trial["trial_id"] for trial in call))
    return [stored[trial_id] for trial_id in ended]


def has_other_nodes() -> bool:
    """Tell whether the cluster has more than one node."""
    return sum(node["Alive"] for node in ray.nodes()) > 1


def _is_loss(exception: Exception) -> bool:
    """Tell whether a judged death is the loss of a node."""
    return isinstance(exception, RayActorError) and exception.preempted


def _reason(error: Exception) -> str:
    """The one line of Ray's message that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "because" in line]
    if not isinstance(error, RayActorError):  # the first line says what failed, the others why
        lines = [" ".join([_type(error), *lines])]
    return (telling or lines or [_type(error)])[0][:200]


def _type(error: object) -> str:
    return type(error).__name__
