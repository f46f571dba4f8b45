"""A private node without those helper processes of Ray that a sweep has no use for: it starts sooner.

A sweep runs as well with them, and this file could be deleted. Each is a Python process that imports for about a second
on the cores that wait for the first trial, and Ray waits for three of them. docs/performance.md has the seconds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from orchestrator.cluster.private import agent_stand_in
from orchestrator.cluster.ray_contract import problems, replaced, resolve, uses

NODE, SERVICES, UTILS = "ray._private.node:Node", "ray._private.services", "ray._private.utils"
LOSS = "a private cluster starts helpers of Ray that nobody asks"
"""What is slower where the installed Ray does not fit."""
AGENTS = "--dashboard_agent_command", "--runtime_env_agent_command"
"""The raylet's arguments that say how its agents are started."""
TRIED = "2.60."
"""Beginning of the Ray whose raylet waits for the files of `agent_stand_in`. Another might wait for more, for ever."""
HELPERS = uses(f"""
{NODE}
    start_head_processes(self): no_monitor, start_monitor, start_api_server
    start_ray_processes(self): include_log_monitor, start_log_monitor
    start_monitor(self)
    start_log_monitor(self)
    start_api_server(self, include_dashboard, raise_on_failure): _webui_url
{SERVICES}:
    start_raylet: get_dashboard_dependency_error, start_ray_process, list2cmdline
    start_ray_process
{UTILS}:
    get_dashboard_dependency_error()
""")
"""What starts the helpers, and what is relied on of it."""


@contextmanager
def without_helpers() -> Iterator[None]:
    """Within the block, a node of Ray starts without three helpers; with them where the installed Ray differs.

    The monitor adds and removes nodes, the log monitor sends what workers print to a driver that asks for it, and the
    API server counts users without the dashboard. A private cluster has one node, silent workers and no dashboard, so
    that its agent serves none either. The two agents of the node have stand-ins.
    """
    import ray  # here: it reads the environment that its caller has set

    with ExitStack() as stack:
        if not problems(HELPERS):
            stack.enter_context(replaced(f"{NODE}.start_monitor", _start_nothing))
            stack.enter_context(replaced(f"{NODE}.start_log_monitor", _start_nothing))
            stack.enter_context(replaced(f"{NODE}.start_api_server", _start_no_server))
            stack.enter_context(replaced(f"{UTILS}:get_dashboard_dependency_error", _lacking))
            if ray.__version__.startswith(TRIED):
                start = f"{SERVICES}:start_ray_process"
                stack.enter_context(replaced(start, _with_stand_ins(resolve(start))))
        yield


def _start_nothing(node: Any) -> None:
    pass


def _lacking() -> ImportError:
    """Say that the dashboard's packages are not there. Ray would import them in this process to know."""
    return ImportError("a private node has no dashboard")


def _start_no_server(node: Any, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
    node._webui_url = None


def _with_stand_ins(start: Callable[..., Any]) -> Callable[..., Any]:
    """Return what starts a raylet with stand-ins for its agents, and any other process as it is."""

    def start_process(command: list[str], process_type: str, *more: Any, **options: Any) -> Any:
        if process_type == "raylet":
            command = [_stood_in(part) for part in command]
        return start(command, process_type, *more, **options)

    return start_process


def _stood_in(argument: str) -> str:
    """Return an argument of the raylet; one that says how an agent is started says how its stand-in is."""
    name, _, agent = argument.partition("=")
    if name not in AGENTS:
        return argument
    program = [sys.executable, "-I", "-S", agent_stand_in.__file__]
    return f"{name}={subprocess.list2cmdline(program)} {agent}"
