"""A stand-in for an agent of a Ray node: run as a program, by the raylet, in the agent's place.

The raylet waits for its two agents before it starts workers, and each imports for a second. The agent of the dashboard
serves nothing where there is no dashboard: its stand-in says so, in the files that the raylet reads. The agent of
runtime environments is asked for a worker that has one, and a private node has none: its stand-in holds the port, and
becomes the agent if somebody calls. Python's -I and -S leave it the standard library alone.
"""

import os
import select
import socket
import sys

UNUSED = "metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"
"""Ports that the dashboard's agent would open, by the names of Ray's files."""
ENVIRONMENTS = "runtime_env_agent_port"
NOT_SERVED = -1
RAYLET = "RAY_RAYLET_PID"
"""The variable by which a raylet tells its agents its process id."""
PARENT_CHECK_SECONDS = 1.0


def main(command: list[str]) -> None:
    """Stand in for the agent that `command` would start, until the raylet ends."""
    options = dict(part.removeprefix("--").partition("=")[::2] for part in command)
    folder, node = options["session-dir"], options["node-id"]
    raylet = int(os.environ[RAYLET])  # by now it may have been killed
    if "runtime-env-agent-port" not in options:
        for name in UNUSED:
            write_port(folder, name, node, NOT_SERVED)
        wait_for_call([], raylet)
        return
    port = int(options["runtime-env-agent-port"])
    with socket.create_server((options["node-ip-address"], port)) as server:
        port = server.getsockname()[1]
        write_port(folder, ENVIRONMENTS, node, port)
        called = wait_for_call([server], raylet)
    if called:  # the raylet calls again until the agent answers
        asked = f"--runtime-env-agent-port={options['runtime-env-agent-port']}"
        answered = [f"--runtime-env-agent-port={port}" if p == asked else p for p in command]
        os.execv(answered[0], answered)


def write_port(folder: str, name: str, node: str, port: int) -> None:
    """Write the file by which the raylet learns of an agent's port, whole from the first moment."""
    path = os.path.join(folder, f"{name}_{node}")
    with open(f"{path}.partial", "w") as file:
        file.write(str(port))
    os.replace(f"{path}.partial", path)


def wait_for_call(servers: list[socket.socket], raylet: int) -> bool:
    """Wait until somebody connects; False if the raylet, our parent, has ended."""
    while os.getppid() == raylet:
        if select.select(servers, [], [], PARENT_CHECK_SECONDS)[0]:
            return True
    return False


if __name__ == "__main__":
    main(sys.argv[1:])
