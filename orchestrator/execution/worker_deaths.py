"""Which deaths of a worker count against its trial: its own, also for want of memory; not its node's."""

from __future__ import annotations

import time
from collections import Counter

import ray
from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayActorError, RayTaskError

from tasks.errors import UnfitNode

MAX_DEATHS = 3
"""Times a trial whose worker dies is run again."""
MAX_LOSSES = 20
"""Times a trial that loses its node is run again: it may be what takes them down."""
SETTLING_SECONDS = 2.0
"""How long after a worker its node may be missed: a machine that shuts down ends its processes one by one."""


class UnfitWorker(RayActorError):
    """A worker whose node can run no trial, which is not its trial's fault; the message says why."""

    is_avoided = False
    """Whether its place stays taken, so that no trial comes there again."""

    def __init__(self, reason: str) -> None:
        super().__init__(error_msg=reason, preempted=True)  # which Tune does not count


class Deaths:
    """What Tune is told of the workers that die in a search."""

    def __init__(self) -> None:
        self._latest: dict[str, Exception] = {}
        """How each trial's worker died last."""
        self._losses: Counter[str] = Counter()
        """How often each trial has lost its node."""
        self._unfit: Counter[str] = Counter()
        """How often each trial came to a node that can run none."""

    def why_given_up(self, trial_id: str) -> str:
        """The error of a trial that is not run again; raises UnfitNode if no node can run it."""
        if isinstance(self._latest[trial_id], UnfitWorker):
            raise UnfitNode(str(self._latest[trial_id]))
        times = f"the worker died {MAX_DEATHS + 1} times"
        if self._losses[trial_id] > MAX_LOSSES:
            times = f"its node was lost {self._losses[trial_id]} times"
        return f"{times}, at last: {_reason(self._latest[trial_id])}"

    def counts(self, trial_id: str) -> bool:
        """Whether the last death counts against its trial."""
        return not _is_loss(self._latest[trial_id])

    def judged(self, exception: Exception) -> Exception:
        """The exception as Tune is to see it."""
        if isinstance(exception, OutOfMemoryError):  # Tune (Ray 2.60) would end the whole sweep
            exception = RayActorError(error_msg=f"out of memory: {exception}")
        if isinstance(exception, RayTaskError) and isinstance(exception.cause, UnfitNode):
            return UnfitWorker(str(exception.cause))
        if isinstance(exception, RayTaskError):  # the worker's, for which Tune would end its trial
            exception = RayActorError(error_msg=f"{_type(exception.cause)}: {exception.cause}")
        if not isinstance(exception, RayActorError) or exception.preempted:
            return exception
        if _not_its_own(exception):
            # Ray calls only what its autoscaler drained so; of these alone Tune keeps no count.
            return RayActorError(exception.actor_id, str(exception), preempted=True)
        return exception

    def is_last(self, trial_id: str, exception: Exception) -> bool:
        """Note a death, as it was judged; whether it is one too many of those that Tune does not count."""
        self._latest[trial_id] = exception
        if isinstance(exception, UnfitWorker) and not exception.is_avoided:
            self._unfit[trial_id] += 1
            return self._unfit[trial_id] > (MAX_DEATHS if has_other_nodes() else 0)
        self._losses[trial_id] += _is_loss(exception)
        return self._losses[trial_id] > MAX_LOSSES


def has_other_nodes() -> bool:
    """Whether there is a choice."""
    return sum(node["Alive"] for node in ray.nodes()) > 1


def _is_loss(exception: Exception) -> bool:
    """Whether it was judged to be the loss of a node."""
    return isinstance(exception, RayActorError) and exception.preempted


def _not_its_own(error: RayActorError) -> bool:
    """Whether the worker died with its node, or is only out of reach."""
    if isinstance(error, ActorUnavailableError):
        return True  # of a worker that dies by itself its node tells at once
    if error.actor_id is None or error.actor_init_failed:
        return False
    node = ray._private.state.actors(error.actor_id).get("Address", {}).get("NodeID")
    until = time.monotonic() + SETTLING_SECONDS
    while any(n["NodeID"] == node and n["Alive"] for n in ray.nodes()):
        if time.monotonic() >= until:
            return False
        time.sleep(0.1)
    return bool(node)


def _reason(error: Exception) -> str:
    """The line that says it, of the many that Ray writes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "because" in line]
    if not isinstance(error, RayActorError):  # the first line says what failed, the others why
        lines = [" ".join([_type(error), *lines])]
    return (telling or lines or [_type(error)])[0][:200]


def _type(error: object) -> str:
    return type(error).__name__
