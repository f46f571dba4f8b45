"""`ray up clusters/onprem.yaml` over real SSH to three machines, a sweep over them, and `ray down`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import machines
import meeting
import pytest
import yaml
from machines import Machine
from program import ROOT, rows_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(machines.missing()), reason=machines.missing() or "all is there"),
]

HERE = str(Path(__file__).parent)
"""Where the method of these tests is found, by every machine."""
DASHBOARD = "http://127.0.0.1:8265"
TOKEN = {"RAY_AUTH_MODE": "token"}
WORKERS = ("worker1", "worker2")
METHODS = ("meeting:Meeting", "finetune")
"""A trial of the first one waits for trials on every machine; the head has CPUs for one trial."""
TRIALS = 12
SWEEP = (
    f"--task digits-class:1 --unlearners {','.join(METHODS)} --trials {TRIALS // len(METHODS)} "
    "--name lan --cpus-per-trial 2 --max-concurrent 3 --trial-seconds 400"
)


@dataclass
class Laptop:
    """The machine of somebody who has a cluster."""

    machine: Machine

    def run(self, command: str, code: int = 0, **variables: str) -> str:
        """Run a command in the repository, which has to end with this code; what it said."""
        common = {**TOKEN, "RAY_UP_enable_autoscaler_v2": "0", "PYTHONPATH": HERE}
        path = f"{sys.prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ended, said = self.machine.run(
            f"cd {ROOT} && {command}", 600, PATH=path, **common | variables
        )
        assert ended == code, said
        return said

    def orchestrate(self, arguments: str, code: int = 0, **variables: str) -> str:
        """`orchestrator ARGUMENTS`, to the dashboard that the tunnel brings here."""
        there = f"--address {DASHBOARD}"
        return self.run(f"python -m orchestrator {arguments} {there}", code, **variables)

    def tunnel(self) -> None:
        """What `ray dashboard` does: the head's loopback, on the laptop's; in the background."""
        self.run(
            "ssh -f -N -M -S ~/tunnel -o ExitOnForwardFailure=yes -o StrictHostKeyChecking=no "
            f"-L 8265:127.0.0.1:8265 root@{machines.SUBNET}.2 >/dev/null 2>&1"
        )

    def lose_connection(self) -> None:
        """The tunnel breaks."""
        self.run("ssh -S ~/tunnel -O exit head")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """The folder that every machine mounts at the same path, with models that are trained already."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(trained / "artifacts", folder / "artifacts")
    return folder


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Mapping[str, Machine]]:
    with machines.machines(
        ("laptop", "head", *WORKERS), tmp_path_factory.mktemp("lan"), shared
    ) as found:
        yield found


@pytest.fixture(scope="module")
def laptop(lan: Mapping[str, Machine], shared: Path) -> Iterator[Laptop]:
    """A laptop, and the cluster of clusters/onprem.yaml with what that leaves to be filled in."""
    config = yaml.safe_load((ROOT / "clusters/onprem.yaml").read_text())
    config["provider"] |= {
        "head_ip": lan["head"].ip,
        "worker_ips": [lan[name].ip for name in WORKERS],
    }
    config["auth"]["ssh_user"] = "root"
    config["min_workers"] = 0  # a machine of two CPUs holds one trial: three make the cluster grow
    # The environment that `make setup` makes is the one that runs this test.
    link = f"ln -sfn {sys.prefix} .venv"
    setup = [c.replace("make setup", link) for c in config["setup_commands"]]
    assert setup != config["setup_commands"]
    config["setup_commands"] = setup
    here = {
        "PYTHONPATH": HERE,
        meeting.FOLDER: shared / "meeting",
        meeting.MACHINES: 1 + len(WORKERS),
    }
    (shared / "meeting").mkdir()
    exported = "export " + " ".join(f"{name}={value}" for name, value in here.items())
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        started = [c.replace("/FILL-IN", str(shared)) for c in config[commands]]
        config[commands] = [f"{exported}; {c}" for c in started]
    assert "FILL-IN" not in str(config)
    file = shared / "cluster.yaml"
    file.write_text(yaml.safe_dump(config))
    laptop = Laptop(lan["laptop"])
    laptop.run("ray get-auth-token --generate")
    laptop.run(f"ray up --yes {file}")
    yield laptop
    laptop.run(f"ray down --yes {file}")
    for name in ("head", *WORKERS):
        # Only the head is told; a worker's Ray ends itself when it has missed its head for a while.
        lan[name].run("for pid in $(pgrep -x raylet); do tail --pid=$pid -f /dev/null; done")


def test_a_sweep_over_three_machines_survives_a_lost_connection(laptop, shared):
    laptop.tunnel()
    said = laptop.orchestrate(f"submit {SWEEP}")
    job = said.split(" is job ")[1].split()[0]
    laptop.lose_connection()
    assert f"--address {DASHBOARD}" in laptop.orchestrate("status lan", code=2)
    laptop.tunnel()
    log = laptop.run(f"ray job logs --follow --address {DASHBOARD} {job}")
    assert "Pareto front of lan" in log
    assert "Traceback" not in log, log
    status = laptop.orchestrate("status lan")
    assert f"job {job}: SUCCEEDED" in status
    assert "\nlan: finished" in status
    assert "entrypoint" not in status
    assert f"{TRIALS}/{TRIALS} trials" in status
    unknown = laptop.orchestrate("status nothing", code=2)
    assert "no sweep 'nothing'" in unknown
    assert "there are: lan" in unknown
    laptop.lose_connection()
    final = [r for r in rows_of(shared, "lan") if r["role"] == "trial" and r["final"]]
    assert [r["state"] for r in final] == ["complete"] * TRIALS
    assert {r["host"] for r in final} == {"head", *WORKERS}


def test_only_who_has_the_token_and_a_login_reaches_the_cluster(laptop, lan):
    code, _ = lan["worker1"].run(f"exec 3<>/dev/tcp/{lan['head'].ip}/8265")
    assert code != 0, "the dashboard listens on the head's loopback alone"
    laptop.tunnel()
    refused = laptop.orchestrate("status lan", code=2, RAY_AUTH_MODE="disabled")
    assert refused.startswith(f"orchestrator: --address {DASHBOARD}: ")
    assert "token" in refused
    laptop.lose_connection()
