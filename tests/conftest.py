"""What every test needs: a way to run the real program, and one storage root with trained models."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from program import ENVIRONMENT, ROOT, command
from s3_server import CREDENTIALS, s3_server

# Timings belong in benchmarks/.
settings.register_profile(
    "without a clock", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("without a clock")

NUMBERS = itertools.count()
Orchestrate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell's background job ignores Ctrl-C, and so would the programs that it starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[os.stat_result]:
    """What this process waits for the disk for from now on: files and folders, in order."""
    waits: list[os.stat_result] = []
    real = os.fsync

    def noted(file: int) -> None:
        waits.append(os.fstat(file))
        real(file)

    monkeypatch.setattr(os, "fsync", noted)
    return waits


@pytest.fixture(scope="session")
def orchestrate() -> Orchestrate:
    """Run `python -m orchestrator ARGUMENTS` to its end, with more environment variables."""

    def run(
        *arguments: str | Path, timeout: float = 600, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=ROOT,
            env=ENVIRONMENT | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, orchestrate: Orchestrate) -> Path:
    """A storage root with one finished sweep on the digits, called `first`."""
    storage = tmp_path_factory.mktemp("storage")
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--name", "first", "--storage", storage,
        "--unlearners", "finetune,finetune-l1,gradient-ascent,ssd", "--trials", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (storage / "first.log").write_text(done.stdout)
    return storage


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Path:
    """A fresh storage root whose models are trained already."""
    shutil.copytree(trained / "artifacts", tmp_path / "storage" / "artifacts")
    return tmp_path / "storage"


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of an S3 server."""
    pytest.importorskip("moto", reason="needs moto, the S3 server of the tests")
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, s3://NAME, that this process and those it starts can reach."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_url}.items():
        monkeypatch.setenv(name, value)
    import boto3

    name = f"bucket-{next(NUMBERS)}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A storage root that is empty so far: a folder, and a prefix of a bucket."""
    if request.param == "folder":
        return str(tmp_path / "storage")
    return f"{request.getfixturevalue('bucket')}/some/prefix"
