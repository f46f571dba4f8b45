"""A cluster of any size on one machine: real Ray, real Tune, real futures, but no process per worker.

Tune asks a resource manager for a place per worker; this one hands out the places of nodes that
do not exist. A worker's handle sends its calls to one host process, where every worker is an
object and every call a thread, so that Tune has as many workers to wait for as it would have.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest.mock import patch

import ray
from ray.air.execution import ResourceManager, ResourceRequest
from ray.air.execution.resources.request import AcquiredResources

from orchestrator.cluster.resources import Resources

SPARE_THREADS = 10


@contextmanager
def simulated_nodes(nodes: int, slots: int) -> Iterator[None]:
    """Inside the block every sweep of this process has `nodes` nodes with room for `slots` trials each."""
    host: Any = ray.remote(Host)
    threads = nodes * slots + SPARE_THREADS
    running = host.options(num_cpus=0, max_concurrency=threads).remote()
    manager = functools.partial(SimulatedNodes, nodes, slots, running)
    there = Resources(((slots, 0),) * nodes)
    with (
        patch("ray.tune.execution.tune_controller.PlacementGroupResourceManager", manager),
        patch("orchestrator.cluster.connection._resources", lambda: there),
    ):
        yield


class Host:
    """The process in which all simulated workers live."""

    def __init__(self) -> None:
        self._workers: dict[tuple[int, int], Any] = {}
        self._building = threading.Lock()

    def build(self, place: tuple[int, int], cls: type, keywords: dict[str, Any]) -> None:
        """Start a worker; one at a time, since what they share is made by the first."""
        with self._building:
            self._workers[place] = cls(**keywords)

    def call(self, place: tuple[int, int], method: str, *args: Any, **keywords: Any) -> Any:
        """Call a worker's method."""
        if method == "__ray_terminate__":
            return self._workers.pop(place, None) and None
        return getattr(self._workers[place], method)(*args, **keywords)


class Call(NamedTuple):
    """What Ray has for a method of an actor."""

    remote: Callable[..., Any]


class Worker:
    """Stands for the handle of an actor."""

    def __init__(
        self, host: Any, place: tuple[int, int], cls: Any, keywords: dict[str, Any]
    ) -> None:
        self._host, self._place = host, place
        self._built = host.build.remote(place, cls.__ray_metadata__.modified_class, keywords)

    def __getattr__(self, method: str) -> Call:
        if method == "__ray_ready__":
            return Call(lambda: self._built)
        return Call(functools.partial(self._host.call.remote, self._place, method))


@dataclass
class Place(AcquiredResources):
    """Room for one worker on a node."""

    host: Any
    place: tuple[int, int]

    def _annotate_remote_entity(
        self, entity: Any, bundle: dict[str, float], bundle_index: int
    ) -> Any:
        return Call(lambda **keywords: Worker(self.host, self.place, entity, keywords))


class SimulatedNodes(ResourceManager):
    """Counts the places of nodes that do not exist."""

    def __init__(self, nodes: int, slots: int, host: Any) -> None:
        self._host = host
        self._free = [(node, slot) for node in range(nodes) for slot in range(slots)]
        self._requested: Counter[ResourceRequest] = Counter()

    def request_resources(self, resource_request: ResourceRequest) -> None:
        """Somebody will want a place."""
        self._requested[resource_request] += 1

    def cancel_resource_request(self, resource_request: ResourceRequest) -> None:
        """Somebody does not want it any more."""
        self._requested[resource_request] -= 1

    def has_resources_ready(self, resource_request: ResourceRequest) -> bool:
        """Whether a place that was asked for is free."""
        return self._requested[resource_request] > 0 and bool(self._free)

    def acquire_resources(self, resource_request: ResourceRequest) -> Place | None:
        """Take a place, if one is free."""
        if not self.has_resources_ready(resource_request):
            return None
        self._requested[resource_request] -= 1
        return Place(resource_request, self._host, self._free.pop())

    def free_resources(self, acquired_resource: AcquiredResources) -> None:
        """Give a place back."""
        assert isinstance(acquired_resource, Place)
        self._free.append(acquired_resource.place)

    def clear(self) -> None:
        """Nobody wants anything any more."""
        self._requested.clear()
