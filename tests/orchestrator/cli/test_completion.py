"""Shell completion, as a person meets it: the Tab key in a real bash at a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.cli.main import main

PROMPT = "ready> "
SECONDS = 60.0


class Terminal:
    """An interactive bash behind a pseudo-terminal."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.shown = ""

    def press(self, keys: str, until: str) -> str:
        """Press keys, and wait until a text is shown; returns what is shown from then on."""
        os.write(self._master, keys.encode())
        self.shown = ""
        end = time.monotonic() + SECONDS
        while until not in self.shown and time.monotonic() < end:
            if select.select([self._master], [], [], 0.1)[0]:
                self.shown += os.read(self._master, 65536).decode(errors="replace")
        assert until in self.shown, self.shown
        return self.shown


@contextmanager
def bash(home: Path) -> Iterator[Terminal]:
    """Start bash as a login to this home does, with its .bashrc."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb"}
    pid, master = pty.fork()
    if pid == 0:
        shell = shutil.which("bash") or "bash"
        os.execve(
            shell, [shell, "--noprofile", "--rcfile", str(home / ".bashrc"), "-i"], environment
        )
    try:
        terminal = Terminal(master)
        terminal.press("", PROMPT)
        yield terminal
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(master)
        os.waitpid(pid, 0)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_tab_key_completes_commands_flags_and_files_in_bash(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    # A system-wide file may set another prompt before this one is read.
    (tmp_path / ".bashrc").write_text(f"PS1='{PROMPT}'\n")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert main(["--install-completion", "--shell", "bash"]) == 0
    assert "installed to" in capsys.readouterr().out
    (tmp_path / "my-sweep.toml").touch()
    with bash(tmp_path) as terminal:
        terminal.press("orchestrator sw\t", until="orchestrator sweep ")
        terminal.press("--deter\t", until="--deterministic ")
        terminal.press(f"--config {tmp_path}/my-sw\t", until="my-sweep.toml")
        terminal.press("\x15orchestrator re\t\t", until="rename")
        assert {"rename", "report", "resume"} <= set(terminal.shown.split())
