"""Folders as NFS, FUSE and SMB have them: without hard links, without locks, and with bad moments."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from program import ROOT
from store_rows import trial

from orchestrator.cli.main import main
from orchestrator.results.store import read_results, write_rows
from tasks.errors import StorageError
from tasks.storage.roots import open_root


def failing(number: int) -> Callable[..., NoReturn]:
    """What the operating system does with a call that fails so."""

    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def failing_at_first(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, number: int, times: int = 2
) -> list[int]:
    """Have the next calls of a function fail so; returns how many more will, below 0 if none does."""
    real, fail, left = getattr(module, name), failing(number), [times]

    def sometimes(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        return real(*args, **kwargs) if left[0] < 0 else fail()

    monkeypatch.setattr(module, name, sometimes)
    return left


PASSING = [errno.ESTALE, errno.EIO, errno.ETIMEDOUT]
UNSUPPORTED = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK]


@pytest.mark.parametrize("number", UNSUPPORTED, ids=errno.errorcode.get)
def test_without_hard_links_one_creates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", failing(number))
    storage = open_root(tmp_path)
    assert storage.create("folder/x", b"first")
    assert not storage.create("folder/x", b"second")
    assert storage.read("folder/x") == b"first"
    assert storage.list_names("folder") == ["x"]


@pytest.mark.parametrize("exists", ["said by link", "said by open"])
def test_without_hard_links_rows_that_are_being_stored_are_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: str
) -> None:
    """Both workers would report their own, and the first one's would stay."""
    claimed, go_on, real = threading.Event(), threading.Event(), os.replace

    def slow(partial: Any, path: Any) -> None:
        if not claimed.is_set():
            claimed.set()
            assert go_on.wait(60)
        real(partial, path)

    def link(partial: Any, path: Path) -> NoReturn:
        number = errno.EEXIST if path.exists() and exists == "said by link" else errno.EPERM
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "replace", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(write_rows, tmp_path, "s", "key", trial("a-0", seed=1))
        assert claimed.wait(60)
        second = pool.submit(write_rows, tmp_path, "s", "key", trial("a-0", seed=2))
        wait([second], timeout=2)
        go_on.set()
        rows = [[row["seed"] for row in done.result()] for done in (first, second)]
    assert rows == [[1, 1], [1, 1]]
    assert [row["seed"] for row in read_results(tmp_path).to_pylist()] == [1, 1]


KILLED = """
import errno
import os
import signal
import sys
from tasks.storage.roots import open_root

def link(*args):
    raise OSError(errno.EPERM, "")

os.link = link
os.replace = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
open_root(sys.argv[1]).create("rows/s/key.parquet", b"never there")
"""


def test_without_hard_links_what_a_killed_process_left_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "rows/s/key.parquet").read_bytes() == b""
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    assert [row["seed"] for row in write_rows(tmp_path, "s", "key", trial("a-0", seed=2))] == [2, 2]
    assert read_results(tmp_path).num_rows == 2


def test_without_hard_links_a_name_is_taken_between_looking_and_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process creates it at the last moment."""
    real = os.open

    def overtaken(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("/x"):
            (tmp_path / "x").write_bytes(b"another's")
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    monkeypatch.setattr(os, "open", overtaken)
    assert not open_root(tmp_path).create("x", b"mine")
    assert (tmp_path / "x").read_bytes() == b"another's"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_disk_that_fails_is_not_taken_for_one_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        open_root(tmp_path).create("x", b"")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK], ids=errno.errorcode.get)
def test_a_folder_whose_files_cannot_be_locked_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(number))
    assert main(["sweep", "--task", "digits-class:1", "--storage", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "cannot be locked" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.rglob("*check*"))


@contextmanager
def no_bytes() -> Iterator[None]:
    """Files can be made, and nothing written into them; permissions say nothing of it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield  # and no longer: pytest's own output may go to a file
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_the_check_writes(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot write there \(.*too large"), no_bytes():
        open_root(tmp_path / "folder").check()
    assert os.listdir(tmp_path / "folder") == []


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
def test_what_fails_for_a_moment_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    storage = open_root(tmp_path)
    storage.write("x", b"content")
    for module, name, read in (
        (Path, "read_bytes", lambda: storage.read("x")),
        (os, "scandir", lambda: storage.list_names()),
    ):
        left = failing_at_first(monkeypatch, module, name, number)
        assert read() in (b"content", ["x"])
        assert left == [-1]


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
def test_what_fails_for_a_moment_is_locked_and_removed_at_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    storage = open_root(tmp_path)
    storage.write("x", b"content")
    real = fcntl.flock
    failing_at_first(monkeypatch, fcntl, "flock", number)
    with storage.lock("a.lock"):
        assert storage.is_locked("a.lock")
        failing_at_first(monkeypatch, fcntl, "flock", number)
        assert storage.is_locked("a.lock")
        left = failing_at_first(monkeypatch, fcntl, "flock", number)
    assert left[0] < 0
    assert not storage.is_locked("a.lock")
    monkeypatch.setattr(fcntl, "flock", real)
    failing_at_first(monkeypatch, Path, "unlink", number)
    storage.delete("x")
    assert storage.read("x") is None


def test_what_fails_for_good_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        open_root(tmp_path).read("x")


def are_folders(synced: list[os.stat_result]) -> list[bool]:
    """Of each wait for the disk, whether it was for a folder."""
    return [stat.S_ISDIR(of.st_mode) for of in synced]


def test_a_new_name_is_on_the_disk_when_it_was_written(
    tmp_path: Path, synced: list[os.stat_result]
) -> None:
    """A power cut may otherwise undo the rename, however safe the content is."""
    open_root(tmp_path).write("x", b"")
    open_root(tmp_path).create("y", b"")
    assert are_folders(synced) == [False, True] * 2


def test_a_wait_that_failed_is_not_taken_for_one_that_succeeded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_root(tmp_path)
    storage.create("x", b"content", settled=False)
    left = failing_at_first(monkeypatch, os, "fsync", errno.EIO, times=1)
    with pytest.raises(OSError, match="Input/output"):
        storage.settle(["x"])
    assert left == [0]


def test_several_files_wait_for_their_folder_once(
    tmp_path: Path, synced: list[os.stat_result]
) -> None:
    storage = open_root(tmp_path)
    for name in ("rows/x", "rows/y", "rows/z"):
        assert storage.create(name, b"content", settled=False)
    assert synced == []
    assert storage.read("rows/y") == b"content"
    storage.delete("rows/z")  # as merging does with what it has read
    storage.settle(["rows/x", "rows/y", "rows/z"])
    assert are_folders(synced) == [False, False, True]
