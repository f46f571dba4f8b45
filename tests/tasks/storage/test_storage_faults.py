"""A bucket behind a line that breaks: what is sent half-way is not there, and is sent again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

pytest.importorskip("moto", reason="needs moto, the S3 server of the tests")

from s3_server import CREDENTIALS, Line, s3_server

from tasks.errors import StorageError
from tasks.storage.roots import open_root
from tasks.storage.s3 import BRIEF, CHECK, S3Storage

BIG = bytes(range(256)) * 8192


@pytest.fixture
def line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the server, which from now on is the only way to it."""
    line = Line(os.environ["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", line.url)
    yield line
    line.close()


def new_bucket(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of a server that this process uses from now on."""
    import boto3

    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bucket")
    return "s3://bucket"


def seen_from_elsewhere(bucket: str, url: str) -> list[str]:
    """Every object of a bucket, and the parts of what was never completed."""
    import boto3

    s3 = boto3.client("s3", endpoint_url=url)
    name = bucket.removeprefix("s3://")
    uploads = s3.list_multipart_uploads(Bucket=name).get("Uploads", [])
    return [o["Key"] for o in s3.list_objects_v2(Bucket=name).get("Contents", [])] + uploads


@pytest.mark.parametrize("sent", [10, 1_000_000])
def test_a_put_that_is_cut_half_way_is_tried_again(bucket: str, line: Line, sent: int) -> None:
    line.cut(b"PUT", 2, request=sent)
    open_root(bucket).write("big", BIG)
    assert line.cuts_left == 0
    assert open_root(bucket).read("big") == BIG


def test_a_put_that_never_gets_through_leaves_nothing(bucket: str, s3_url: str, line: Line) -> None:
    line.cut(b"PUT", CHECK.attempts, request=1_000_000)
    storage = S3Storage(bucket)
    with pytest.raises(StorageError, match=f"--storage {bucket}: "):
        storage.put("big", BIG, patience=CHECK)
    assert line.cuts_left == 0
    assert seen_from_elsewhere(bucket, s3_url) == []


def test_a_put_that_fails_leaves_what_was_there(bucket: str, s3_url: str, line: Line) -> None:
    storage = S3Storage(bucket)
    storage.write("big", b"as it was")
    line.cut(b"PUT", CHECK.attempts, request=1_000_000)
    with pytest.raises(StorageError):
        storage.put("big", BIG, patience=CHECK)
    assert storage.read("big") == b"as it was"


def test_who_created_and_got_no_answer_knows_that_it_was_him(bucket: str, line: Line) -> None:
    line.cut(b"PUT", 1, answer=0)
    assert open_root(bucket).create("x", b"mine")
    assert line.cuts_left == 0
    line.cut(b"PUT", 1, answer=0)
    assert not open_root(bucket).create("x", b"not mine")
    assert open_root(bucket).read("x") == b"mine"


def test_a_read_that_is_cut_half_way_is_tried_again(bucket: str, line: Line) -> None:
    open_root(bucket).write("big", BIG)
    line.cut(b"GET", 2, answer=500_000)
    assert open_root(bucket).read("big") == BIG
    assert line.cuts_left == 0


def test_a_lease_survives_answers_that_are_lost(
    bucket: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Storage, "takeover_seconds", 12.0)
    lost = threading.Event()
    with open_root(bucket).lock("a.lock", on_lost=lost.set):
        line.cut(b"PUT", 2, answer=0)
        while line.cuts_left:  # the renewals meet them
            assert not lost.wait(0.05)
        stored = open_root(bucket).read("a.lock")
        while open_root(bucket).read("a.lock") == stored:
            assert not lost.wait(0.05)
    assert not open_root(bucket).is_locked("a.lock")


def test_a_lock_is_free_though_the_last_renewals_answer_was_lost(
    bucket: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Storage, "takeover_seconds", 6.0)
    with open_root(bucket).lock("a.lock"):
        line.cut(b"PUT", BRIEF.attempts, answer=0)
        before = open_root(bucket).read("a.lock")
        while open_root(bucket).read("a.lock") == before:
            time.sleep(0.01)
    assert not open_root(bucket).is_locked("a.lock")


def test_a_holder_that_was_thought_dead_is_told(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hung for longer than its lease, and somebody else has written the lock since."""
    monkeypatch.setattr(S3Storage, "takeover_seconds", 3.0)
    lost = threading.Event()
    with open_root(bucket).lock("a.lock", on_lost=lost.set) as is_taken:
        assert not is_taken()
        open_root(bucket).write("a.lock", b"somebody else")
        assert lost.wait(60)
        assert is_taken()
    assert open_root(bucket).read("a.lock") == b"somebody else"


def test_a_holder_that_cannot_renew_its_lease_stops_before_it_is_anybody_elses(
    bucket: str, s3_url: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Storage, "takeover_seconds", takeover := 15.0)
    lost, stopped = threading.Event(), [0.0]

    def stop() -> None:
        stopped[0] = time.monotonic()
        lost.set()

    with open_root(bucket).lock("a.lock", on_lost=stop) as is_taken:
        line.stall()
        assert lost.wait(60), "the first request alone would wait for longer"
        assert not is_taken(), "a model that it trains would be lost for nothing"
        line.stall(False)
        assert not is_taken()
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
        stored = S3Storage(bucket).get("a.lock")
        assert stored is not None
        # The request itself may take a busy machine seconds: they are not the holder's.
        assert stored.age - (time.monotonic() - stopped[0]) < takeover


def test_a_lock_is_left_soon_though_the_server_says_nothing(
    bucket: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C would hang for minutes."""
    monkeypatch.setattr(S3Storage, "takeover_seconds", 3.0)
    renewing = threading.Event()
    monkeypatch.setattr(line, "stalled", renewing.set)
    with open_root(bucket).lock("a.lock"):
        line.stall()
        assert renewing.wait(60)
        start = time.monotonic()
    assert time.monotonic() - start < 30
    line.stall(False)


@pytest.mark.parametrize("days", [-1, 1])
def test_the_age_of_a_lock_is_the_servers_to_say(
    monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Its clock and the node's are a day apart."""
    monkeypatch.setattr(S3Storage, "takeover_seconds", 5.0)
    with s3_server(ahead=timedelta(days=days)) as url:
        storage = open_root(new_bucket(url, monkeypatch))
        storage.write("a.lock", b"somebody")
        assert storage.is_locked("a.lock")
        with storage.lock("a.lock", on_held=lambda: pytest.fail("thought alive")):
            assert storage.is_locked("a.lock")


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_server_that_ignores_conditions_is_refused(
    monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    """As old ones do: each of two writers would be told that he was the one."""
    with s3_server(ignored=[header]) as url:
        storage = open_root(new_bucket(url, monkeypatch))
        with pytest.raises(StorageError, match="ignores If-None-Match or If-Match"):
            storage.check()
