"""`sbatch clusters/slurm.sh` on two nodes of a real SLURM, whose nodes are machines made out of this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import machines
import meeting
import pytest
from machines import Machine
from program import ROOT, rows_of

SLURM = "munged", "slurmctld", "slurmd", "sbatch", "scancel"
NODES = "head", "worker"
MISSING = machines.missing(SLURM)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=MISSING or "all is there")]

CONFIGURATION = """
ClusterName=lan
SlurmctldHost={head}({head_ip})
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
MessageTimeout=100
TCPTimeout=100
StateSaveLocation=/var/tmp/slurmctld
SlurmdSpoolDir=/var/tmp/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
{nodes}
PartitionName=all Nodes=ALL Default=YES State=UP
"""
MUNGE = (
    "mkdir -p /run/munge && chmod 755 /run/munge && munged --force --origin={ip} --key-file={shared}/munge.key "
    "--socket=/run/munge/munge.socket.2 --pid-file=/run/munge/munged.pid --log-file=/var/tmp/munged.log "
    "--seed-file=/var/tmp/munged.seed"
)
TRIALS = 8
METHODS = "meeting:Meeting,finetune"
"""A trial of the first one waits for trials on so many nodes as it is told."""
SWEEP = f"--task digits-class:1 --unlearners {METHODS} --trials {TRIALS // 2} --references 2 --name nodes"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that both nodes see at the same path."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def nodes(
    tmp_path_factory: pytest.TempPathFactory, shared: Path
) -> Iterator[Mapping[str, Machine]]:
    """Two nodes of a SLURM cluster, both idle."""
    (shared / "munge.key").write_bytes(bytes(range(64)))
    (shared / "munge.key").chmod(0o600)
    with machines.machines(NODES, tmp_path_factory.mktemp("lan"), shared, ssh=False) as found:
        lines = (f"NodeName={m.name} NodeAddr={m.ip} CPUs=2 State=UNKNOWN" for m in found.values())
        text = CONFIGURATION.format(head="head", head_ip=found["head"].ip, nodes="\n".join(lines))
        (shared / "slurm.conf").write_text(text)
        environment = {"SLURM_CONF": str(shared / "slurm.conf")}
        daemons = "mkdir -p /var/tmp/slurmctld /var/tmp/slurmd"
        for machine in found.values():
            controller = " && slurmctld" if machine.name == "head" else ""
            munge = MUNGE.format(ip=machine.ip, shared=shared)
            done = machine.run(
                f"{munge} && {daemons}{controller} && slurmd -N {machine.name}", 60, **environment
            )
            assert done[0] == 0, done[1]
        # A job of two nodes starts as soon as both have registered; on a busy machine that takes a while.
        ready = "until scontrol ping; do read -t 1 <> <(:); done >/dev/null 2>&1; "
        hello = f"{ready}srun --nodes=2 --ntasks-per-node=1 hostname"
        done = found["head"].run(hello, 200, **environment)
        assert sorted(done[1].split()) == list(NODES), done[1]
        yield found


@pytest.fixture(scope="module")
def submit(nodes: Mapping[str, Machine], shared: Path):  # type: ignore[no-untyped-def]
    """Start `sbatch` of the script, which waits for the end of its job; its output goes to a file.

    `awaited`: how many nodes a trial of Meeting waits for.
    """

    def start(log: str, awaited: int) -> subprocess.Popen[str]:
        folder = shared / f"meeting-{log}"
        folder.mkdir()
        return nodes["head"].start(
            f"cd {ROOT} && sbatch --wait --nodes=2 --cpus-per-task=1 --output={shared / log} "
            f"clusters/slurm.sh {SWEEP} --storage {shared / 'results'}",
            SLURM_CONF=str(shared / "slurm.conf"),
            PATH=f"{sys.prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            PYTHONPATH=f"{ROOT / 'tests' / 'cluster'}",
            **{meeting.FOLDER: str(folder), meeting.MACHINES: str(awaited)},
        )

    return start


def wait_for_rows(job: subprocess.Popen[str], storage: Path, log: Path) -> None:
    """Wait until a trial is stored; fails if the job ends before that."""
    while not (storage / "sweeps").exists() or not trials_of(storage):
        try:
            job.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"ended too early: {job.communicate()[0]}{log.read_text()}")


def trials_of(storage: Path) -> list[dict]:
    """The last rows of the trials."""
    return [r for r in rows_of(storage, "nodes") if r["role"] == "trial" and r["final"]]


def test_a_sweep_over_two_nodes_ends_at_a_signal_and_goes_on(nodes, submit, shared: Path) -> None:  # type: ignore[no-untyped-def]
    storage, logs = shared / "results", [shared / "first.log", shared / "second.log"]
    # One node more than there is: the trials that wait for it cannot end before the signal comes.
    first = submit(logs[0].name, len(NODES) + 1)
    wait_for_rows(first, storage, logs[0])
    # What SLURM sends two minutes before the time limit.
    cancel = "scancel --signal=TERM --batch --name=unlearning-sweep"
    code, said = nodes["head"].run(cancel, SLURM_CONF=str(shared / "slurm.conf"))
    assert code == 0, said
    assert first.wait(timeout=300) != 0
    assert "finished trials are kept; to go on:" in logs[0].read_text()
    ended = {row["trial_id"]: row["finished_at"] for row in trials_of(storage)}

    second = submit(logs[1].name, len(NODES))
    said, _ = second.communicate(timeout=600)
    assert second.returncode == 0, said + logs[1].read_text()
    log = logs[1].read_text()
    assert "Pareto front of nodes" in log
    assert "Traceback" not in log, log
    final = trials_of(storage)
    assert [row["state"] for row in final] == ["complete"] * TRIALS
    assert {row["host"] for row in final} == set(NODES)
    assert ended.items() <= {row["trial_id"]: row["finished_at"] for row in final}.items(), (
        "none ran twice"
    )
    for machine in nodes.values():
        assert machine.run("pgrep -x raylet")[0] == 1, "Ray ended with its job, on each node"
        assert machine.run("ls -d /tmp/ray-*")[0] != 0, "and left no files"
