"""Nodes whose clocks are hours and days apart, and a driver that goes on before it began."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from program import rows_of
from ray.cluster_utils import Cluster
from running import HEAD, Sweep, new_node

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("libfaketime") is None, reason="needs libfaketime"),
]

AHEAD, BEHIND = "+3d", "-5h"


def clock(offset: str) -> dict[str, str]:
    """Environment in which a program sees another time of day; its monotonic clock stays true."""
    import libfaketime

    library = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return {
        "LD_PRELOAD": str(library),
        "RAY_LD_PRELOAD_ON_WORKERS": "1",
        "FAKETIME": offset,
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head, and a node that is three days ahead of it."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    nodes = Cluster(initialize_head=True, head_node_args=HEAD)
    with pytest.MonkeyPatch.context() as other:
        for name, value in clock(
            AHEAD
        ).items():  # Ray takes LD_PRELOAD from its own environment alone
            other.setenv(name, value)
        nodes.add_node(**new_node())
    yield nodes
    nodes.shutdown()


def test_a_sweep_does_not_mind_what_time_its_nodes_think_it_is(cluster, storage):
    """Killed with SIGKILL, and resumed by a driver whose clock is before the first one's."""
    there = {"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled"}
    address = ("--address", "auto")
    first = Sweep(storage, "skewed", trials=8, more=address, environment=there)
    process = first.start()
    first.wait_for(process, first.total // 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = first.ended()
    second = Sweep(storage, "skewed", trials=8, environment={**there, **clock(BEHIND)})
    output, _ = (process := second.resume()).communicate(timeout=600)
    assert process.returncode == 0, output
    after = second.ended()
    assert {k: after[k] for k in kept} == kept, "a finished trial was run again or lost"
    second.assert_whole()
    moments = [row["finished_at"] for row in rows_of(storage, "skewed") if row["role"] == "trial"]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert min(moments) < tomorrow < max(moments), "both nodes were to run trials"
