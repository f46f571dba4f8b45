"""A local sweep is closed: nobody reaches it from the network, and no other user reads its token or its files."""

from __future__ import annotations

import stat
from pathlib import Path

import psutil
import pytest
from program import SWEEP
from running import Sweep

from orchestrator.cli.main import main
from orchestrator.cluster.private.private_node import make_token_private


def list_listeners(process: psutil.Process) -> dict[str, str]:
    """List the listening sockets of a process and its descendants: the address, and who listens there."""
    found = {}
    for each in [process, *process.children(recursive=True)]:
        try:
            sockets = [s for s in each.net_connections("inet") if s.status == psutil.CONN_LISTEN]
            found |= {f"{s.laddr.ip}:{s.laddr.port}": each.name() for s in sockets}
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.slow
def test_every_socket_of_a_local_sweep_is_on_loopback(storage, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    sweep = Sweep(storage, "closed", unlearners=("ssd",), trials=4, environment={"HOME": str(home)})
    process = sweep.start()
    sweep.wait_for(process, 1)
    listeners = list_listeners(psutil.Process(process.pid))
    folders = {
        Path(argument.partition("=")[2]).parents[2]
        for child in psutil.Process(process.pid).children()
        for argument in child.cmdline()
        if argument.startswith("--log_dir=")
    }
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    print(listeners)
    assert listeners
    addresses = [name.removeprefix("::ffff:") for name in listeners]  # IPv4 on a socket of IPv6
    assert [address for address in addresses if not address.startswith("127.")] == []
    assert modes
    assert set(modes.values()) == {0o700}
    assert [folder for folder in modes if folder.exists()] == []
    assert stat.S_IMODE((home / ".ray" / "auth_token").stat().st_mode) == 0o600


def test_a_place_for_ray_that_cannot_be_used_is_one_line_and_exit_code_2(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").touch()
    for place, reason in (("none", "No such file or directory"), ("file", "Not a directory")):
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / place))
        assert main([*SWEEP, "--storage", str(tmp_path / "storage")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"RAY_TMPDIR {tmp_path / place}: no folder can be made there ({reason})" in line


def test_the_token_is_made_once_and_only_for_this_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    make_token_private()
    token = tmp_path / ".ray" / "auth_token"
    first = token.read_text()
    assert len(first) == 64
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    token.chmod(0o644)
    make_token_private()
    assert token.read_text() == first
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert [path.name for path in token.parent.iterdir()] == ["auth_token"]
