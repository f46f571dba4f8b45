"""The server of a bucket is stopped in the middle of a sweep, and comes back, or does not for long."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest
from program import ENVIRONMENT, ROOT, command

pytest.importorskip("moto", reason="needs moto, the S3 server of the tests")

from s3_server import s3_server

from orchestrator.results.store import read_finished_trials

pytestmark = pytest.mark.slow

UNLEARNERS, TRIALS = ("ssd", "finetune"), 8
OUTAGES = 3
"""Trials end between them: at most three each, so that some are left for the last."""


class Server:
    """A server at one address that is there, and is not."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Answer, from now on, with all that was stored before."""
        self._running.enter_context(s3_server(port=self._port))

    def stop(self) -> None:
        """Answer no more."""
        self._running.close()


@pytest.fixture
def server(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server through which `bucket` is reached from now on."""
    server = Server()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.start()
    yield server
    server.stop()


def started(*arguments: str) -> subprocess.Popen[str]:
    """A driver."""
    return subprocess.Popen(
        command(*arguments), cwd=ROOT, env=ENVIRONMENT | os.environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def sweep(bucket: str) -> subprocess.Popen[str]:
    """The driver of a new sweep `s`."""
    return started(
        "sweep", "--task", "digits-class:1", "--unlearners", ",".join(UNLEARNERS),
        "--trials", str(TRIALS), "--storage", bucket, "--name", "s",
    )  # fmt: skip


def ended(bucket: str) -> dict[str, object]:
    """When each trial ended, by trial_id."""
    trials = read_finished_trials(bucket, "s")
    return {k: rows[-1]["finished_at"] for k, rows in trials.items() if rows[-1]["role"] == "trial"}


def ends_within(driver: subprocess.Popen[str], seconds: float) -> bool:
    """Wait so long, or until it ends."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        driver.wait(timeout=seconds)
    return driver.returncode is not None


def listen(driver: subprocess.Popen[str], words: str) -> None:
    """Block until it says these words."""
    assert driver.stdout
    assert any(words in line for line in driver.stdout), "it ended too early"


def wait_for(driver: subprocess.Popen[str], bucket: str, count: int) -> None:
    """Block until `count` trials are stored."""
    while len(ended(bucket)) < count:
        assert not ends_within(driver, 0.2), driver.communicate()[0]


def assert_whole(bucket: str) -> None:
    """Every trial of the budget is stored once."""
    trials = read_finished_trials(bucket, "s").values()
    methods = Counter(rows[-1]["unlearner"] for rows in trials if rows[-1]["role"] == "trial")
    assert methods == dict.fromkeys(UNLEARNERS, TRIALS)


@pytest.mark.parametrize("seed", range(2))
def test_a_sweep_goes_on_when_the_server_is_away_for_seconds(bucket, server, seed):
    rng = random.Random(seed)
    driver = sweep(bucket)
    for _ in range(OUTAGES):
        wait_for(driver, bucket, len(ended(bucket)) + rng.randint(1, 3))
        server.stop()
        ends_within(driver, rng.uniform(1, 3))
        server.start()
    output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, output
    assert_whole(bucket)


@pytest.mark.parametrize("when", ["the models are trained", "trials run"])
def test_a_server_that_stays_away_ends_the_sweep_in_one_line(bucket, server, when):
    """And when it is back, `resume` makes the sweep whole without running a trial again."""
    driver = sweep(bucket)
    if when == "trials run":
        wait_for(driver, bucket, 2)
    else:
        listen(driver, "model: epoch")
    server.stop()
    output, _ = driver.communicate(timeout=400)
    assert driver.returncode == 1, output
    assert "Traceback" not in output
    assert "resume" in output.splitlines()[-1]
    server.start()
    kept = ended(bucket)
    output, _ = (again := started("resume", "s", "--storage", bucket)).communicate(timeout=400)
    assert again.returncode == 0, output
    after = ended(bucket)
    assert {k: after[k] for k in kept} == kept
    assert_whole(bucket)
