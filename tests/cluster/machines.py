"""Several machines on this one: network namespaces on a bridge, each with processes, mounts and a name of its own.

Needs root. Everything lives below one process: when that ends, the kernel ends every process of every
machine, and their networks and mounts go with them. Nothing of this machine's own is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from program import ROOT

TOOLS = "ip", "unshare", "nsenter", "setpriv", "mount", "ssh-keygen"
BY_SSH = "ssh", "rsync", "/usr/sbin/sshd"
LOGIN = " && /usr/sbin/sshd -f /root/sshd_config"
PRIVATE = ("/tmp", "/root", "/run", "/dev/shm", "/var/tmp")
"""What a machine has of its own; it sees the rest of this machine's files."""
SUBNET = "10.213.7"

INIT = """
set -e
hostname {name}
{mounts}
cd /root
ip link set lo up
echo ready
"""
FOR_EVER = "sleep infinity & wait"
"""Kept by a shell, which as a machine's first process also buries its dead."""

SSHD = """
HostKey /root/host_key
AuthorizedKeysFile /root/.ssh/authorized_keys
PermitRootLogin yes
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
"""


def missing(more: Sequence[str] = BY_SSH) -> str:
    """Why there can be no machines here, with these tools too; empty if there can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    absent = [tool for tool in (*TOOLS, *more) if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)} (Debian: iproute2 openssh-server rsync slurm-wlm)"
    bridge = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        *["ip", "link", "add", "lan", "type", "bridge"],
    ]
    probe = subprocess.run(bridge, capture_output=True, text=True)
    return (
        f"no network of its own can be made here: {probe.stderr.strip()}"
        if probe.returncode
        else ""
    )


@dataclass(frozen=True)
class Machine:
    """One machine, by the process that keeps it alive."""

    name: str
    ip: str
    pid: int

    def start(self, command: str, **variables: str) -> subprocess.Popen[str]:
        """A shell command of root's on this machine, in root's home; its output is one stream."""
        environment = {"HOME": "/root", "USER": "root", "PATH": os.environ["PATH"], "TERM": "dumb"}
        return subprocess.Popen(
            ["nsenter", f"--target={self.pid}", "--all", "--wd=/root", "bash", "-c", command],
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, timeout: float = 300, **variables: str) -> tuple[int, str]:
        """Run a shell command to its end: its exit code, and what it said."""
        process = self.start(command, **variables)
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            raise AssertionError(f"{command}: not done after {timeout} s:\n{said}") from None
        return process.returncode, said


@contextmanager
def machines(
    names: Sequence[str], folder: Path, shared: Path, *, ssh: bool = True
) -> Iterator[Mapping[str, Machine]]:
    """Machines that reach each other, log in to each other by root's key if `ssh`, and share one folder.

    `folder` takes their private files; this program, its Python and `shared` are where they are.
    """
    key, host_key = folder / "id_ed25519", folder / "host_key"
    for file in (key, host_key):
        _done("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file))
    process = _unshared(["--net", "--mount", "--pid"], "ip link set lo up; echo ready; ")
    switch = _child(process.pid)
    try:
        net = ["nsenter", f"--target={switch}", "--net", "ip"]
        _done(*net, "link", "add", "lan", "type", "bridge")
        _done(*net, "address", "add", f"{SUBNET}.254/24", "dev", "lan")
        _done(*net, "link", "set", "lan", "up")
        found = {}
        for number, name in enumerate(names, start=1):
            home = _home(folder / name, key, host_key)
            init = INIT.format(name=name, mounts=_mounts(home, [*_program(), shared]))
            kinds = ["--net", "--mount", "--pid", "--uts", "--ipc"]
            entered = _unshared(kinds, init, inside=switch)
            first = _child(_child(entered.pid))
            machine = Machine(name, f"{SUBNET}.{number}", first)
            _done(*net, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0",
                  "netns", str(machine.pid))  # fmt: skip
            _done(*net, "link", "set", f"to-{name}", "master", "lan", "up")
            code, said = machine.run(
                f"ip address add {machine.ip}/24 dev eth0 && ip link set eth0 up && "
                f"ip route add default via {SUBNET}.254{LOGIN if ssh else ''}"
            )
            assert code == 0, said
            found[name] = machine
        yield found
    finally:
        process.kill()
        process.wait()


def _home(folder: Path, key: Path, host_key: Path) -> Path:
    """The private files of a machine, before its first process."""
    for place in PRIVATE:
        (folder / place.lstrip("/")).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "dev/shm").chmod(0o1777)
    (folder / "run/sshd").mkdir()
    (folder / "root/.ssh").mkdir(mode=0o700)
    shutil.copy(key, folder / "root/.ssh/id_ed25519")
    shutil.copy(key.with_suffix(".pub"), folder / "root/.ssh/authorized_keys")
    shutil.copy(host_key, folder / "root/host_key")
    (folder / "root/.bashrc").touch()
    (folder / "root/sshd_config").write_text(SSHD)
    return folder


def _mounts(home: Path, kept: Sequence[Path]) -> str:
    """Shell lines that hide this machine's own places behind private ones, but for what is kept."""
    lines = []
    for place in PRIVATE:
        own = home / place.lstrip("/")
        for path in kept:
            if path.is_relative_to(place):
                inside = own / path.relative_to(place)
                inside.mkdir(parents=True, exist_ok=True)
                lines.append(f"mount --rbind '{path}' '{inside}'")
    # The place that holds `home` itself comes last.
    for place in sorted(PRIVATE, key=home.is_relative_to):
        lines.append(f"mount --rbind '{home / place.lstrip('/')}' {place}")
    return "\n".join(lines)


def _program() -> list[Path]:
    """Where this program, its Python and its packages are."""
    places = [ROOT, Path(sys.prefix), Path(sys.base_prefix), *map(Path, sys.path)]
    return [place for place in dict.fromkeys(places) if place.is_dir()]


def _unshared(
    kinds: Sequence[str], script: str, inside: int | None = None
) -> subprocess.Popen[str]:
    """A shell in namespaces of its own, once it has said that it is ready; it ends with this process."""
    enter = ["nsenter", f"--target={inside}", "--all"] if inside else []
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", *enter, "unshare", *kinds, "--fork", "--kill-child",
         "--mount-proc", "bash", "-c", script + FOR_EVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == "ready\n", said + process.communicate(timeout=10)[0]
    return process


def _child(pid: int) -> int:
    """The only child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _done(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
