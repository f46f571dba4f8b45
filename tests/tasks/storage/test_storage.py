"""Storage roots: whole objects or none, one creator, one holder of a lock; a folder or a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import InvalidValue, StorageError
from tasks.storage.roots import normalise_root, open_root


def test_what_is_written_is_read_replaced_and_removed(root: str) -> None:
    storage = open_root(root)
    assert storage.read("a/b") is None
    storage.write("a/b", b"first")
    storage.write("a/b", b"second \xff")
    storage.write("a/empty", b"")
    assert open_root(root).read("a/b") == b"second \xff"
    assert storage.read("a/empty") == b""
    storage.delete("a/b")
    storage.delete("a/b")
    assert storage.read("a/b") is None


def test_what_exists_is_not_created_again(root: str) -> None:
    storage = open_root(root)
    assert storage.create("x", b"first")
    assert not storage.create("x", b"second")
    assert storage.read("x") == b"first"


def test_names_are_those_directly_in_a_folder_in_order(root: str) -> None:
    storage = open_root(root)
    assert storage.list_names() == storage.list_names("nowhere") == []
    for name in ("b", "a", "f/x", "f/g/y", ".hidden", "ü"):
        storage.write(name, b"")
    assert storage.list_names() == ["a", "b", "f/", "ü"]
    assert storage.list_names("f") == storage.list_names("f/") == ["g/", "x"]
    assert storage.list_names(after="a") == ["b", "f/", "ü"]


def test_a_folder_is_removed_with_all_below_and_nothing_beside(root: str) -> None:
    storage = open_root(root)
    for name in ("f/x", "f/g/y", "f/.hidden", "f-too/x", "fx"):
        storage.write(name, b"")
    storage.remove_folder("f")
    storage.remove_folder("f")
    assert storage.read("f/g/y") is storage.read("f/.hidden") is None
    assert storage.list_names() == ["f-too/", "fx"]


def test_more_names_than_one_answer_of_a_server_holds(root: str) -> None:
    storage = open_root(root)
    expected = [f"{n:04d}" for n in range(1005)]
    for name in expected:
        storage.write(f"many/{name}", b"")
    assert storage.list_names("many") == expected
    assert storage.list_names("many", after="0996") == expected[997:]


def test_a_root_that_can_be_used_passes_the_check_again_and_again(root: str) -> None:
    for _ in range(2):
        open_root(root).check()
    assert open_root(root).list_names() == []


CREATOR = """
import sys
from tasks.storage.roots import open_root

storage = open_root(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(sum(storage.create(f"number/{n}", sys.argv[2].encode()) for n in range(40)))
"""


def test_of_several_processes_one_creates(root: str, process) -> None:  # type: ignore[no-untyped-def]
    creators = [process(CREATOR, root, name) for name in ("a", "b", "c")]
    for creator in creators:
        assert creator.stdout.readline() == "ready\n"
    for creator in creators:
        creator.stdin.write("\n")
        creator.stdin.flush()
    created = [int(creator.stdout.read()) for creator in creators]
    assert sum(created) == 40
    contents = [open_root(root).read(f"number/{n}") for n in range(40)]
    assert [contents.count(name) for name in (b"a", b"b", b"c")] == created


WRITER = """
import sys
from tasks.storage.roots import open_root

storage = open_root(sys.argv[1])
while True:
    for letter in (b"a", b"b"):
        storage.write("shared", letter * 1_000_000)
        print("written", flush=True)
"""


def test_a_reader_never_sees_half_a_write(root: str, process) -> None:  # type: ignore[no-untyped-def]
    writers = [process(WRITER, root) for _ in range(2)]
    for writer in writers:
        writer.stdout.readline()
    for _ in range(50):
        content = open_root(root).read("shared")
        assert content in (b"a" * 1_000_000, b"b" * 1_000_000)
    for writer in writers:
        writer.kill()
        writer.wait()
    assert open_root(root).list_names() == ["shared"]


HOLDER = """
import sys
from tasks.storage.roots import open_root
from tasks.storage.s3 import S3Storage

S3Storage.takeover_seconds = 3.0
storage = open_root(sys.argv[1])
with storage.lock("folder/a.lock", on_held=lambda: print("waits", flush=True)):
    print("holds", flush=True)
    sys.stdin.readline()
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes over from dead processes after seconds, in a bucket too."""
    pytest.importorskip("boto3", reason="needs boto3, of the extra s3")
    from tasks.storage import s3

    monkeypatch.setattr(s3.S3Storage, "takeover_seconds", 3.0)


def lines(child, count: int) -> list[str]:  # type: ignore[no-untyped-def]
    """What a process says next."""
    return [child.stdout.readline().strip() for _ in range(count)]


@pytest.mark.usefixtures("short_leases")
def test_a_lock_has_one_holder_and_goes_to_the_next(root: str, process) -> None:  # type: ignore[no-untyped-def]
    storage = open_root(root)
    assert not storage.is_locked("folder/a.lock")
    first = process(HOLDER, root)
    assert lines(first, 1) == ["holds"]
    assert storage.is_locked("folder/a.lock")
    second = process(HOLDER, root)
    assert lines(second, 1) == ["waits"], "it must be seen that the first one lives"
    first.stdin.write("\n")
    first.stdin.flush()
    assert lines(first, 1) == ["released"]
    assert lines(second, 1) == ["holds"]
    second.communicate("\n\n")
    assert not storage.is_locked("folder/a.lock")


@pytest.mark.usefixtures("short_leases")
def test_the_lock_of_a_killed_process_is_taken_over(root: str, process) -> None:  # type: ignore[no-untyped-def]
    first = process(HOLDER, root)
    assert lines(first, 1) == ["holds"]
    first.kill()
    first.wait()
    with open_root(root).lock("folder/a.lock", on_held=lambda: pytest.fail("thought alive")):
        pass


@pytest.mark.usefixtures("short_leases")
def test_what_is_raised_when_it_is_held_ends_the_waiting(root: str, process) -> None:  # type: ignore[no-untyped-def]
    def refuse() -> None:
        raise InterruptedError("held")

    first = process(HOLDER, root)
    assert lines(first, 1) == ["holds"]
    lock = open_root(root).lock("folder/a.lock", on_held=refuse)
    with pytest.raises(InterruptedError, match="held"):
        lock.__enter__()
    assert open_root(root).is_locked("folder/a.lock")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a/b", "/a/b"),
        ("/a/../b/", "/b"),
        ("file:///a/b%20c", "/a/b c"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a/ü b/", "s3://bucket/a/ü b"),
    ],
)
def test_a_root_has_one_spelling(text: str, expected: str) -> None:
    assert normalise_root(text) == expected


def test_a_relative_path_is_that_of_the_process_that_was_given_it() -> None:
    assert normalise_root("results") == str(Path.cwd() / "results")
    assert normalise_root("~/results") == str(Path.home() / "results")


@pytest.mark.parametrize(
    "text",
    ["", "a\0b", "gs://bucket/x", "s3://", "s3://b", "s3://UPPER/x", "s3://bucket//x", "s3://bucket/../x",
     "s3://bucket/x?region=y"],
)  # fmt: skip
def test_what_is_no_root_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="--storage"):
        open_root(text)


def test_a_folder_that_cannot_be_made_fails_the_check(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write there"):
        open_root(tmp_path / "file" / "folder").check()
