"""Tasks on the cluster that prepare models: restarted if a process dies, elsewhere if a node is unfit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import ray

from orchestrator.cluster.remote_call import fetch_result
from orchestrator.execution.worker_deaths import MAX_DEATHS, MAX_LOSSES
from orchestrator.worker.baselines import Event
from tasks.errors import NodeLost, UnfitNode, WorkerLost

if TYPE_CHECKING:
    from orchestrator.reporting.observer import Observer
    from orchestrator.worker.settings import WorkerSettings

NODE_ID = "ray.io/node-id"
"""The label by which Ray knows a node (Ray's documentation, "Use labels to control scheduling")."""


class ModelJob:
    """A task on the cluster that yields events; started again if its process dies.

    What it has stored is kept. It is restarted up to MAX_LOSSES times after losing its node, and
    MAX_DEATHS times after a crash, as a trial is; after an unfit node, on the others. The ids of unfit
    nodes are added to `unfit`, which all jobs share.
    """

    def __init__(
        self,
        unfit: set[str],
        settings: WorkerSettings,
        work: Callable[..., Iterator[Event]],
        *arguments: Any,
    ) -> None:
        alone: Any = ray.remote(
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            max_retries=0,
            num_returns="streaming",
            max_calls=1,  # the process then ends: no trial could reuse it, and it holds a gigabyte
        )
        self._task, self._arguments = alone(work), arguments
        self._needs = {"CPU": settings.cpus, "GPU": settings.gpus}
        self._losses = self._deaths = 0
        self._unfit = unfit
        self.events: Any = self._run()

    def fetch_event(self, observer: Observer) -> Event | None:
        """Return the next event; None after a restart.

        Raises StopIteration at the end, WorkerLost, and UnfitNode if no other node is there.
        """
        try:
            event: Event = fetch_result(next(self.events))
            return event
        except UnfitNode as error:
            self._avoid(error)
            observer.say(f"NOTICE: {error}: another node prepares this part of the models")
        except WorkerLost as error:
            lost = isinstance(error, NodeLost)
            self._losses, self._deaths = self._losses + lost, self._deaths + (not lost)
            if self._deaths > MAX_DEATHS or self._losses > MAX_LOSSES:
                raise
            observer.say(f"NOTICE: {error} while preparing the models; this part starts again")
        self.events = self._run()
        return None

    def _avoid(self, error: UnfitNode) -> None:
        """Note the node of `error` as unfit; raise `error` if no other node could ever run the task."""
        if error.node is not None:
            self._unfit.add(error.node)
        large_enough = {
            node["NodeID"]
            for node in ray.nodes()
            if node["Alive"]
            and all(node["Resources"].get(kind, 0) >= need for kind, need in self._needs.items())
        }
        if error.node is None or large_enough <= self._unfit:
            raise error

    def _run(self) -> Any:
        """Start the task on a node that is not known as unfit."""
        others = {NODE_ID: f"!in({','.join(sorted(self._unfit))})"} if self._unfit else None
        return self._task.options(label_selector=others).remote(*self._arguments)


def follow_jobs(jobs: list[ModelJob], observer: Observer) -> Iterator[Event]:
    """Yield the events of several jobs as they come; jobs may be added meanwhile."""
    while jobs:
        (ready, *_), _ = ray.wait([job.events for job in jobs], num_returns=1)
        job = next(job for job in jobs if job.events is ready)
        try:
            event = job.fetch_event(observer)
        except StopIteration:
            jobs.remove(job)
            continue
        if event is not None:
            yield event
