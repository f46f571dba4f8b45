"""A journal that a bad disk altered, in a folder or a bucket: mended from the store by who holds the sweep."""

from __future__ import annotations

import json
import random

import pytest
from study_rows import own_values, recorded, stored_trials, study

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.search.study_storage import open_storage
from tasks.storage.roots import open_root

JOURNAL = "studies.journal"


def pieces(root: str) -> list[str]:
    """The file, or the objects, that a journal is."""
    return [f"{JOURNAL}/{name}" for name in open_root(root).list_names(JOURNAL)] or [JOURNAL]


def flip(root: str, seed: int) -> None:
    """Change one bit somewhere."""
    rng, storage = random.Random(seed), open_root(root)
    piece = rng.choice(pieces(root))
    content = bytearray(storage.read(piece) or b"")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    storage.write(piece, bytes(content))


@pytest.mark.parametrize("seed", range(60))
def test_a_bit_that_flips_anywhere_in_a_journal_is_mended_from_the_store(root, seed):
    finished = stored_trials(study(root), 4)
    whole = own_values(root)
    flip(root, seed)
    assert study(root).recover(finished) == []
    assert own_values(root) == whole
    points = [t for t in recorded(root) if "trajectory_of" in t.user_attrs]
    assert {(t.user_attrs["trajectory_of"], t.values[0]) for t in points} == {
        (trial_id, rows[0]["validation_accuracy_retained"]) for trial_id, rows in finished.items()
    }
    assert study(root).ask()["trial_id"] not in finished


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "an empty list": lambda content: b"[]",
    "null": lambda content: b"null",
    "of nulls": lambda content: b"[null]",
    "not text": lambda content: b"\xff\xfe\0",
    "its last entry lost": lambda content: json.dumps(json.loads(content)[:-1]).encode(),
    "lost": None,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
@pytest.mark.parametrize("which", [0, 3, -1])
def test_an_object_that_does_not_follow_ends_a_journal_and_is_kept(bucket, which, damage):
    finished = stored_trials(study(bucket), 3)
    whole, storage = own_values(bucket), open_root(bucket)
    damaged = pieces(bucket)[which]
    if damage is None:
        storage.delete(damaged)
    else:
        storage.write(damaged, damage(storage.read(damaged)))
    before = {piece: storage.read(piece) for piece in pieces(bucket)}
    for _ in range(2):
        assert study(bucket).recover(finished) == []
        assert own_values(bucket) == whole
    beside = f"{JOURNAL}.damaged"
    kept = {name: storage.read(f"{beside}/{name}") for name in storage.list_names(beside)}
    assert all(before[f"{JOURNAL}/{name}"] == content for name, content in kept.items())
    assert study(bucket).ask()["trial_id"] not in finished


def test_objects_that_are_put_aside_are_kept_each_time(bucket):
    storage = open_root(bucket)
    for torn in (b'{"first', b'{"second'):
        study(bucket)
        last = pieces(bucket)[-1]
        storage.write(last, torn)
        open_storage(bucket, None)
        assert last not in pieces(bucket)
    for beside, torn in ((".damaged", b'{"first'), (".damaged1", b'{"second')):
        (name,) = storage.list_names(JOURNAL + beside)
        assert storage.read(f"{JOURNAL}{beside}/{name}") == torn


def test_a_driver_that_died_while_it_put_objects_aside_loses_none(bucket):
    """It had copied them all, and removed the last one."""
    finished = stored_trials(study(bucket), 3)
    whole, storage = own_values(bucket), open_root(bucket)
    storage.write(pieces(bucket)[2], b"?")
    for name in storage.list_names(JOURNAL)[2:]:
        storage.write(f"{JOURNAL}.damaged/{name}", storage.read(f"{JOURNAL}/{name}"))
    storage.delete(pieces(bucket)[-1])
    assert study(bucket).recover(finished) == []
    assert own_values(bucket) == whole
    assert (
        storage.list_names(f"{JOURNAL}.damaged1") == storage.list_names(f"{JOURNAL}.damaged")[:-1]
    )


def test_what_is_only_looked_at_is_not_mended(root, capsys):
    """Another process may hold the sweep."""
    config = SweepConfig(
        name="s", task="digits-class:1", trials=2, unlearners=("ssd",), storage=root
    )
    storage = open_root(f"{root}/sweeps/s")
    storage.write("config.json", config.to_json().encode())
    study(storage.root).ask()
    storage.write(pieces(storage.root)[-1], b"?")
    before = {piece: storage.read(piece) for piece in pieces(storage.root)}
    main(["status", "s", "--storage", root])
    assert "s: not running" in capsys.readouterr().out
    assert {piece: storage.read(piece) for piece in pieces(storage.root)} == before
    assert not [name for name in storage.list_names() if "damaged" in name]
