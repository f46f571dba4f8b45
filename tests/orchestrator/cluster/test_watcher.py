"""What stays when a driver is killed: a watcher says how to go on, and cleans up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from program import ENVIRONMENT, ROOT
from remains import is_alive

from orchestrator.cluster.interrupts import Interrupts, keep_handlers
from orchestrator.cluster.last_words import DEAF_TO, TMPDIR, open_scratch, open_watcher
from orchestrator.cluster.private.node_guard import guard_node
from orchestrator.cluster.private.private_node import open_private_folder
from tasks.errors import ClusterFault

DRIVER = """
import os, signal, subprocess, sys
from orchestrator.cluster.last_words import Watcher
watcher, folder = Watcher(), sys.argv[1]
watcher.say("to go on: this")
watcher.remove(folder)
null = subprocess.DEVNULL
with open(f"{folder}/worker.out", "w") as out:
    worker = subprocess.Popen(["sleep", "600"], stdout=out, stderr=null, start_new_session=True)
reader = subprocess.Popen(["tail", "-f", f"{folder}/worker.out"], stdout=null, stderr=null)
print(worker.pid, reader.pid, watcher._process.pid, flush=True)
for number in map(int, sys.argv[3:]):
    os.kill(watcher._process.pid, number)
exec(sys.argv[2])
"""
KILLED, LEFT, ENDED = "os.kill(os.getpid(), 9)", "os._exit(1)", "watcher.dismiss()"


def run_driver(folder: Path, end: str, *signals: int) -> tuple[list[psutil.Process], str]:
    """Run a driver to its end; return those of worker and reader that live, and what was said.

    Waits for the end of the watcher.
    """
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(folder), end, *map(str, signals)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    *others, watcher = (int(word) for word in done.stdout.split())
    while is_alive(watcher):
        time.sleep(0.01)
    return [psutil.Process(pid) for pid in others if is_alive(pid)], done.stderr


@pytest.mark.parametrize("end", [KILLED, LEFT])
def test_a_driver_without_last_words_has_a_watcher_that_says_them_and_cleans_up(tmp_path, end):
    (folder := tmp_path / "ray").mkdir()
    alive, said = run_driver(folder, end, *DEAF_TO)
    try:
        assert said == "to go on: this\n"
        assert not folder.exists()
        assert [process.name() for process in alive] == ["tail"], "who reads there is left alone"
    finally:
        for process in alive:
            process.kill()


def test_a_driver_that_ends_in_order_dismisses_its_watcher(tmp_path):
    (folder := tmp_path / "ray").mkdir()
    alive, said = run_driver(folder, ENDED)
    for process in alive:
        process.kill()
    assert said == ""
    assert folder.exists()
    assert sorted(process.name() for process in alive) == ["sleep", "tail"]


def test_the_death_of_a_watcher_is_harmless(tmp_path):
    with open_watcher() as watcher:
        assert watcher._process is not None
        watcher._process.kill()
        watcher._process.wait()
        watcher.say("anything")
        watcher.remove(str(tmp_path))
    assert tmp_path.exists()


def test_temporary_files_lie_in_one_folder_that_is_deleted(monkeypatch, tmp_path):
    monkeypatch.setenv(TMPDIR, str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with open_watcher() as watcher, open_scratch(watcher) as folder:
        assert Path(folder).parent == tmp_path
        assert os.environ[TMPDIR] == folder
        left = Path(tempfile.mkdtemp())
        assert str(left.parent) == folder
    assert os.environ[TMPDIR] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_still_runs_for_a_private_folder_is_ended_with_it(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with open_private_folder() as session:
        Path(session).mkdir()
        with open(f"{session}/worker.out", "w") as out:
            worker = subprocess.Popen(["sleep", "600"], stdout=out)
    assert worker.wait(10) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "said"), [("gcs_server", "GCS server"), ("raylet", "raylet")])
def test_the_death_of_a_private_node_ends_its_driver_with_the_reason(tmp_path, name, said):
    shutil.copy(shutil.which("sleep") or "", tmp_path / name)
    node = subprocess.Popen([tmp_path / name, "600"])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def drive() -> None:
        with guard_node() as guard:
            try:
                node.kill()
                while True:  # a signal that comes just before `signal.pause` would leave it waiting
                    guard.is_dead(0.1)
            except KeyboardInterrupt as interrupt:
                assert guard.is_dead()
                interrupt.add_note("to go on: this")
                raise

    try:
        with pytest.raises(ClusterFault, match=said) as fault:
            drive()
    finally:
        signal.signal(signal.SIGINT, before)
        node.wait()
    assert fault.value.__notes__ == ["to go on: this"]


def test_errors_on_a_node_that_lives_are_what_they_were():
    with pytest.raises(ZeroDivisionError), guard_node():
        raise ZeroDivisionError


def test_a_library_cannot_take_signals_that_are_held_back():
    before = signal.getsignal(signal.SIGTERM)
    interrupts = Interrupts()
    with interrupts.deferred(), keep_handlers():
        signal.signal(signal.SIGTERM, lambda *_: pytest.fail("heeded amid a library"))
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
