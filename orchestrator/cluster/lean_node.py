"""A private node without those helper processes of Ray that a sweep has no use for: it starts sooner.

A sweep runs as well with them, and this file could be deleted. Each is a Python process that imports for about a second
on the cores that wait for the first trial, and Ray waits for one of them. docs/performance.md has the seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from orchestrator.cluster.ray_contract import problems, replaced, uses

NODE, UTILS = "ray._private.node:Node", "ray._private.utils"
LOSS = "a private cluster starts helpers of Ray that nobody asks"
"""What is slower where the installed Ray does not fit."""
HELPERS = uses(f"""
{NODE}
    start_head_processes(self): no_monitor, start_monitor, start_api_server
    start_ray_processes(self): include_log_monitor, start_log_monitor
    start_monitor(self)
    start_log_monitor(self)
    start_api_server(self, include_dashboard, raise_on_failure): _webui_url
ray._private.services:
    start_raylet: get_dashboard_dependency_error
{UTILS}:
    get_dashboard_dependency_error()
""")
"""What starts the helpers, and what is relied on of it."""


@contextmanager
def without_helpers() -> Iterator[None]:
    """Within the block, a node of Ray starts without three helpers; with them where the installed Ray differs.

    The monitor adds and removes nodes, the log monitor sends what workers print to a driver that asks for it, and the
    API server counts users without the dashboard. A private cluster has one node, silent workers and no dashboard, so
    that its agent serves none either.
    """
    with ExitStack() as stack:
        if not problems(HELPERS):
            stack.enter_context(replaced(f"{NODE}.start_monitor", _start_nothing))
            stack.enter_context(replaced(f"{NODE}.start_log_monitor", _start_nothing))
            stack.enter_context(replaced(f"{NODE}.start_api_server", _start_no_server))
            stack.enter_context(replaced(f"{UTILS}:get_dashboard_dependency_error", _lacking))
        yield


def _start_nothing(node: Any) -> None:
    pass


def _lacking() -> ImportError:
    """Say that the dashboard's packages are not there. Ray would import them in this process to know."""
    return ImportError("a private node has no dashboard")


def _start_no_server(node: Any, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
    node._webui_url = None
