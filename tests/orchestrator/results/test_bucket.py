"""A sweep whose storage root is in an S3 bucket; and what is said of one that cannot be used."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import ENVIRONMENT, ROOT, command
from s3_server import CREDENTIALS

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.results.store import read_finished_trials
from orchestrator.sweeps.folder import hold_sweep
from tasks.errors import InvalidValue, StorageFault
from tasks.storage.roots import open_root

SWEEP = (
    "sweep",
    "--task",
    "digits-class:1",
    "--unlearners",
    "ssd,gradient-ascent",
    "--trials",
    "2",
)
NAMED = {
    "sweep": (*SWEEP[1:], "--name", "s"),
    "run": ("--task", "digits-class:1", "--unlearner", "ssd"),
    "resume": ("s",),
    "status": ("s",),
    "compact": (),
    "list": ("sweeps",),
}


def test_a_sweep_runs_in_a_bucket(
    bucket: str, orchestrate, capsys: pytest.CaptureFixture[str]
) -> None:
    root = f"{bucket}/prefix"
    done = orchestrate(*SWEEP, "--name", "s", "--storage", root, **os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "training the original model" in done.stdout
    trials = read_finished_trials(root, "s")
    assert {rows[-1]["unlearner"] for rows in trials.values() if rows[-1]["role"] == "trial"} == {
        "ssd", "gradient-ascent",
    }  # fmt: skip
    assert len([rows for rows in trials.values() if rows[-1]["role"] == "trial"]) == 4
    kept = set(open_root(f"{root}/sweeps/s").list_names())
    assert kept - {"driver.lock"} == {"config.json"}, "no journal is kept here"

    assert main(["status", "s", "--storage", root]) == 0
    assert "s: finished" in capsys.readouterr().out
    assert main(["compact", "--storage", root]) == 0
    assert len(open_root(root).list_names("rows/s")) == 1
    assert read_finished_trials(root, "s") == trials


@pytest.mark.slow  # the dead driver's claim is waited for: a minute
def test_a_sweep_in_a_bucket_survives_kill_9(bucket: str, orchestrate) -> None:
    arguments = command(*SWEEP, "--name", "s", "--storage", bucket)
    driver = subprocess.Popen(
        arguments, cwd=ROOT, env=ENVIRONMENT | os.environ, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    while not any(
        rows[-1]["role"] == "trial" for rows in read_finished_trials(bucket, "s").values()
    ):
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended too early: {driver.wait(timeout=0.5)}")
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    kept = read_finished_trials(bucket, "s")
    done = orchestrate("resume", "s", "--storage", bucket, **os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "if it is dead, this one takes over within 60 s" in done.stdout
    assert "training the" not in done.stdout
    after = read_finished_trials(bucket, "s")
    assert {trial_id: after[trial_id] for trial_id in kept} == kept
    assert len([rows for rows in after.values() if rows[-1]["role"] == "trial"]) == 4


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that renews its claim every half second."""
    pytest.importorskip("boto3", reason="needs boto3, of the extra s3")
    from tasks.storage import s3

    monkeypatch.setattr(s3.S3Storage, "takeover_seconds", 3.0)


CLAIMED = SweepConfig(name="s", task="digits-class:1", trials=2, unlearners=("ssd",))


@pytest.mark.usefixtures("short_leases")
def test_a_second_driver_is_refused_while_the_first_one_lives(root: str, capsys) -> None:  # type: ignore[no-untyped-def]
    config, name = dataclasses.replace(CLAIMED, storage=root), str(CLAIMED.name)
    with hold_sweep(name, root, print) as own:
        own.write("config.json", config.to_json().encode())
        assert main(["status", "s", "--storage", root]) == 0
        assert "s: running" in capsys.readouterr().out
        with pytest.raises(InvalidValue, match="is being run by another process"):
            hold_sweep(name, root, print).__enter__()
    with hold_sweep(name, root, print):
        pass
    assert main(["status", "s", "--storage", root]) == 0
    assert "s: unfinished" in capsys.readouterr().out


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where the tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("short_leases", "interruptible")
def test_a_driver_that_was_thought_dead_stops(bucket: str) -> None:
    """It hung for longer than its lease, and another one has taken its sweep over."""

    def hang() -> None:
        with hold_sweep(str(CLAIMED.name), bucket, print) as own:
            own.write("driver.lock", b"another one")
            threading.Event().wait(60)

    with pytest.raises(StorageFault, match="another driver may have taken the sweep over"):
        hang()
    assert open_root(bucket).is_locked("sweeps/s/driver.lock")


@pytest.mark.parametrize("subcommand", NAMED)
@pytest.mark.parametrize("wrong", ["no server", "no credentials", "no bucket"])
def test_a_bucket_that_cannot_be_used_is_one_line_and_exit_code_2(
    bucket: str, subcommand: str, wrong: str, monkeypatch, tmp_path: Path, capsys
) -> None:  # type: ignore[no-untyped-def]
    root = "s3://no-such-bucket/x" if wrong == "no bucket" else f"{bucket}/x"
    if wrong != "no bucket":
        port = {"no server": 1, "no credentials": 2}[wrong]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    if wrong == "no credentials":
        for name in CREDENTIALS.keys() - {"AWS_EC2_METADATA_DISABLED"}:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
    assert main([subcommand, *NAMED[subcommand], "--storage", root]) == 2
    said = capsys.readouterr().err
    expected = {
        "no server": "Could not connect",
        "no credentials": "Unable to locate credentials",
        "no bucket": "NoSuchBucket",
    }
    assert expected[wrong] in said
    assert f"--storage {root}" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("subcommand", NAMED)
def test_without_boto3_it_is_said_what_to_install(subcommand: str, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert main([subcommand, *NAMED[subcommand], "--storage", "s3://bucket/x"]) == 2
    said = capsys.readouterr().err
    assert "pip install boto3" in said
    assert said.count("\n") == 1
