"""Where the faults strike: a real cluster of two nodes on this machine, and a root with or without models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from injected import HEALTH_CHECKS
from ray.cluster_utils import Cluster
from running import HEAD, new_node


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head and another node, as processes of this machine."""
    for name, value in {"RAY_AUTH_MODE": "disabled", **HEALTH_CHECKS}.items():
        monkeypatch.setenv(name, value)
    nodes = Cluster(initialize_head=True, head_node_args=HEAD)
    nodes.add_node(**new_node())
    yield nodes
    nodes.shutdown()


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A storage root: with the two models trained for an even seed, empty for an odd one."""
    if request.node.callspec.params["seed"] % 2:
        return tmp_path / "untrained"
    storage: Path = request.getfixturevalue("storage")
    return storage
