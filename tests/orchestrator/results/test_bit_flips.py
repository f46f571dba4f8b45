"""Single bits flipped in every kind of file that a sweep keeps: noticed, or without effect, but never believed."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from store_rows import put, trial

from orchestrator.config import SweepConfig
from orchestrator.results.files import SCHEMA, UncheckedRows
from orchestrator.results.store import compact_rows, read_results, write_rows
from orchestrator.sweeps.folder import read_config, store_config
from tasks.artifacts import Artifact, ArtifactCache, TrainingRecord
from tasks.datasets.dataset import LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.errors import InvalidValue
from tasks.evaluation.references import ReferenceOutputs
from tasks.scoring.choice import decode_mask, encode_mask
from tasks.storage.roots import open_root

FLIPS, MANY_FLIPS = 40, 20_000
SEED = 20
NOTICED = "noticed"


class Kept(NamedTuple):
    """Files of one kind, and what a reader makes of them."""

    files: list[Path]
    read: Callable[[], Any]
    """Return what is read, as a comparable text; NOTICED if damage is told or the file is made again."""


def keep_rows(folder: Path) -> Kept:
    """A file of one trial."""
    write_rows(folder, "s", "k", trial("a-0", epochs=3, params='{"lr": 0.1}', role="trial"))
    return Kept(sorted(folder.rglob("*.parquet")), lambda: read_rows(folder))


def keep_merged_rows(folder: Path) -> Kept:
    """A file of several merged trials."""
    for number in range(5):
        write_rows(folder, "s", f"k{number}", trial(f"a-{number}", epochs=3, minute=number))
    compact_rows(folder)
    return Kept(sorted(folder.rglob("*.parquet")), lambda: read_rows(folder))


def read_rows(folder: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return str(read_results(folder).to_pylist())
        except (UncheckedRows, UserWarning):
            return NOTICED


def keep_config(folder: Path) -> Kept:
    """The configuration of a sweep."""
    config = SweepConfig(
        name="s", task="digits-class:1", trials=3, unlearners=("ssd", "finetune"), seed=7,
        trial_seconds=60.5, data_dir=Path("/data"),
    )  # fmt: skip
    store_config(config, open_root(f"{folder}/sweeps/s"))

    def read() -> str:
        try:
            return str(read_config("s", str(folder)))
        except InvalidValue as error:
            return NOTICED if "is damaged" in str(error) else f"another error: {error}"

    return Kept([folder / "sweeps" / "s" / "config.json"], read)


def keep_model(folder: Path) -> Kept:
    """A trained model and the record of its training."""
    state = {"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.ones(3)}
    record = TrainingRecord(1.5, 100, 2e9, "cpu", 2, 1.25)
    cache = ArtifactCache(folder)
    cache._store(Artifact("key", state, record))

    def read() -> str:
        found = cache.load("key")
        return NOTICED if found is None else f"{found.state} {found.record}"

    return Kept(sorted(folder.iterdir()), read)


def keep_outputs(folder: Path) -> Kept:
    """The outputs of a reference."""
    logits = {
        n: np.arange(6.0).reshape(1, 2, 3) for n in ("retain", "forget", "validation", "test")
    }
    file = folder / "key.outputs"
    file.write_bytes(ReferenceOutputs(**logits).to_bytes())

    def read() -> str:
        found = ReferenceOutputs.from_bytes(file.read_bytes())
        return NOTICED if found is None else str(found)

    return Kept([file], read)


def keep_choice(folder: Path) -> Kept:
    """What a scoring model chose."""
    file = folder / "key.mask"
    file.write_bytes(encode_mask(np.arange(300) % 7 == 0))

    def read() -> str:
        found = decode_mask(file.read_bytes(), 300)
        return NOTICED if found is None else str(found.tolist())

    return Kept([file], read)


def keep_images(folder: Path) -> Kept:
    """A data set decoded once per machine."""
    source = folder / "source"
    source.touch()
    images = np.arange(20 * 3 * 4 * 4, dtype=np.uint8).reshape(20, 3, 4, 4)
    data = LabelledImages(images, np.arange(20, dtype=np.int64) % 10)
    decoded = []

    def decode(files: list[Path]) -> LabelledImages:
        decoded.append(files)
        return data

    def read() -> str:
        decoded.clear()
        found = open_cached_arrays([source], decode)
        content = f"{found.images.tolist()} {found.labels.tolist()}"
        assert not decoded or content == first
        return NOTICED if decoded else content

    open_cached_arrays([source], decode)
    first = f"{images.tolist()} {data.labels.tolist()}"
    cached = sorted((folder / "cache").rglob("*.npy")) + sorted((folder / "cache").rglob("sha256"))
    return Kept(cached, read)


KINDS: dict[str, Callable[[Path], Kept]] = {
    "rows": keep_rows,
    "merged rows": keep_merged_rows,
    "configuration": keep_config,
    "model": keep_model,
    "outputs": keep_outputs,
    "choice": keep_choice,
    "images": keep_images,
}


def flip_bits(kept: Kept, count: int, rng: random.Random) -> Counter[str]:
    """Flip one bit at a time, read, and restore; return how often damage was noticed, harmless or believed."""
    before, counts = kept.read(), Counter[str]()
    assert before != NOTICED
    contents = {file: file.read_bytes() for file in kept.files}
    assert contents
    for _ in range(count):
        file = rng.choice(kept.files)
        damaged = bytearray(contents[file])
        bit = rng.randrange(8 * len(damaged))
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        seen = kept.read()
        counts[NOTICED if seen == NOTICED else "harmless" if seen == before else "believed"] += 1
        if seen not in (NOTICED, before):
            print(f"{file.name}, bit {bit}: {seen[:200]}")
        for path, content in contents.items():
            path.write_bytes(content)
    return counts


def check_kind(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch, flips: int) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    counts = flip_bits(KINDS[kind](folder), flips, random.Random(f"{SEED}-{kind}"))
    print(f"{kind}: {flips} flips, {dict(counts)}")
    assert counts["believed"] == 0
    assert counts[NOTICED] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_bit_is_believed(kind, tmp_path, monkeypatch):
    check_kind(kind, tmp_path, monkeypatch, FLIPS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_bit_of_many_is_believed(kind, tmp_path, monkeypatch):
    check_kind(kind, tmp_path, monkeypatch, MANY_FLIPS // len(KINDS) + 1)


def test_a_header_that_turns_the_labels_around_is_noticed(tmp_path, monkeypatch):
    """One bit makes `<i8` of the file's header `>i8`: the same bytes, and other labels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = keep_images(tmp_path)
    (labels,) = (file for file in kept.files if file.name == "labels.npy")
    labels.write_bytes(labels.read_bytes().replace(b"<i8", b">i8"))
    assert kept.read() == NOTICED


def test_rows_of_an_earlier_version_are_read_and_told_to_be_unchecked(tmp_path):

    put(str(tmp_path), "k.parquet", pa.Table.from_pylist(trial("a-0"), SCHEMA), version="1")
    with pytest.warns(
        UncheckedRows, match="1 results files of an earlier version have no checksum"
    ):
        assert len(read_results(tmp_path)) == 2
