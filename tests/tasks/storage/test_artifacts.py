"""Trained models as they are stored: trained once and read from then on; what is damaged is trained again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tasks.artifacts import Artifact, ArtifactCache, Trained, TrainingRecord
from tasks.storage.roots import open_root

RECORD = TrainingRecord(1.5, 100, 2e6, "cpu", 1)
KEY = "0123456789abcdef"


class Trainer:
    """Gives fixed weights and counts how often it was asked."""

    def __init__(self) -> None:
        self.trained = 0

    def __call__(self, is_over: Callable[[], bool]) -> Trained:
        self.trained += 1
        return {"weight": torch.arange(1000.0), "steps": torch.tensor(7)}, RECORD


@pytest.fixture
def train() -> Trainer:
    """A trainer that has not been asked yet."""
    return Trainer()


@pytest.fixture
def cache(root: str) -> ArtifactCache:
    """An empty cache in a folder that does not exist yet, and in a bucket."""
    return ArtifactCache(f"{root}/artifacts")


def intact(artifact: Artifact | None) -> bool:
    """Whether it is what the trainer gave."""
    return (
        artifact is not None
        and artifact.record == RECORD
        and torch.equal(artifact.state["weight"], torch.arange(1000.0))
        and artifact.state["steps"].item() == 7
    )


def test_a_model_is_trained_once_and_read_from_then_on(
    cache: ArtifactCache, train: Trainer
) -> None:
    assert cache.load(KEY) is None
    assert intact(cache.get(KEY, train))
    assert intact(ArtifactCache(cache.root).get(KEY, train))
    assert intact(cache.load(KEY))
    assert train.trained == 1
    cache.get("another", train)
    assert train.trained == 2


def cut(fraction: float) -> Callable[[bytes], bytes]:
    """Keep the first part of a file."""
    return lambda content: content[: int(len(content) * fraction)]


def flip(content: bytes) -> bytes:
    """Change one bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {
    "weights gone": (".pt", None),
    "weights empty": (".pt", cut(0)),
    "weights cut": (".pt", cut(0.7)),
    "weights altered": (".pt", flip),
    "weights of something else": (".pt", lambda _: pickle.dumps({"weight": 1})),
    "description gone": (".json", None),
    "description empty": (".json", cut(0)),
    "description cut": (".json", cut(0.5)),
    "description not text": (".json", lambda _: b"\xff\xfe\x00"),
    "description a list": (".json", lambda _: b"[1, 2]"),
    "description null": (".json", lambda _: b"null"),
    "record missing": (".json", lambda c: json.dumps({"sha256": json.loads(c)["sha256"]}).encode()),
    "seconds altered": (".json", lambda c: c.replace(b'"seconds": 1.5', b'"seconds": 1.4')),
    "operations altered": (".json", lambda c: c.replace(b'"flops": 2', b'"flops": 3')),
    "device altered": (".json", lambda c: c.replace(b'"cpu"', b'"cpt"')),
    "record of another version": (".json", lambda c: c.replace(b"threads", b"fibres")),
}


def file_of(cache: ArtifactCache, suffix: str) -> str:
    """The one file of the cache with this suffix."""
    (name,) = [n for n in open_root(cache.root).list_names() if n.endswith(suffix)]
    return name


@pytest.mark.parametrize(("suffix", "damage"), DAMAGE.values(), ids=list(DAMAGE))
def test_what_is_damaged_is_trained_again(
    cache: ArtifactCache, train: Trainer, suffix: str, damage: Callable[[bytes], bytes] | None
) -> None:
    cache.get(KEY, train)
    storage, file = open_root(cache.root), file_of(cache, suffix)
    if damage is None:
        storage.delete(file)
    else:
        storage.write(file, damage(storage.read(file) or b""))
    assert cache.load(KEY) is None
    assert intact(cache.get(KEY, train))
    assert train.trained == 2
    assert intact(cache.load(KEY))


@pytest.mark.parametrize("seed", range(60))
def test_a_bit_that_flips_anywhere_in_a_description_is_never_believed(
    tmp_path: Path, train: Trainer, seed: int
) -> None:
    cache, rng = ArtifactCache(tmp_path), random.Random(seed)
    cache.get(KEY, train)
    content = bytearray((tmp_path / f"{KEY}.json").read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    (tmp_path / f"{KEY}.json").write_bytes(content)
    assert intact(cache.get(KEY, train))
    assert intact(cache.load(KEY))


def test_a_description_of_an_earlier_version_is_read(cache: ArtifactCache, train: Trainer) -> None:
    """It has no checksum of the record."""
    cache.get(KEY, train)
    storage = open_root(cache.root)
    description = json.loads(storage.read(f"{KEY}.json") or b"")
    earlier = {name: description[name] for name in ("sha256", "record")}
    storage.write(f"{KEY}.json", json.dumps(earlier, indent=1).encode())
    assert intact(cache.get(KEY, train))
    assert train.trained == 1


def test_weights_that_would_run_code_are_never_unpickled(
    cache: ArtifactCache, train: Trainer, tmp_path: Path
) -> None:
    """Even with a matching checksum: weights_only=True."""

    class Payload:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    cache.get(KEY, train)
    storage, buffer = open_root(cache.root), io.BytesIO()
    torch.save({"weight": Payload()}, buffer)
    description = json.loads(storage.read(f"{KEY}.json") or b"")
    description["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    storage.write(f"{KEY}-{description['sha256'][:16]}.pt", buffer.getvalue())
    storage.write(f"{KEY}.json", json.dumps(description).encode())
    with pytest.raises(pickle.UnpicklingError):
        cache.load(KEY)
    assert not (tmp_path / "pwned").exists()


def test_training_that_fails_leaves_nothing_and_can_be_tried_again(
    cache: ArtifactCache, train: Trainer
) -> None:
    def fail(is_over: Callable[[], bool]) -> Trained:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get(KEY, fail)
    assert cache.load(KEY) is None
    assert intact(cache.get(KEY, train))


def test_nothing_unfinished_is_left_beside_the_files(cache: ArtifactCache, train: Trainer) -> None:
    cache.get(KEY, train)
    folder = open_root(cache.root).folder
    names = os.listdir(folder) if folder else open_root(cache.root).list_names()
    assert set(names) <= {file_of(cache, ".pt"), f"{KEY}.json", f"{KEY}.lock"}
