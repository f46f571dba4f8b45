"""Commands that are printed work as printed: also where the virtual environment is not active."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.config.spelling import spell_command, spell_program


def test_the_installed_command_is_named_where_a_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("python", "orchestrator"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert spell_command(["resume", "a b", "--trials", 3]) == "orchestrator resume 'a b' --trials 3"


@pytest.mark.parametrize("inside", [True, False])
def test_elsewhere_the_interpreter_of_the_environment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    """Relative below the current folder, as `.venv/bin/python` in a checkout."""
    python = Path(sys.prefix) / "bin" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    monkeypatch.chdir(Path(sys.prefix).parent if inside else tmp_path)
    program = spell_program()
    assert (
        program
        == (f"{Path(sys.prefix).name}/bin/python" if inside else str(python)) + " -m orchestrator"
    )
    done = subprocess.run([*shlex.split(program), "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout[0].isdigit()
