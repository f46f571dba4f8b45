"""A data set is decoded once a machine, whatever is torn or concurrent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import pictures, same

from tasks.datasets.dataset import LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays
from tasks.errors import InvalidValue


def counting(calls: list[list[Path]], data: LabelledImages) -> Callable:
    """A decoder that notes when it is called."""

    def decode(files: list[Path]) -> LabelledImages:
        calls.append(files)
        return data

    return decode


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file whose content the cache never looks at."""
    path = tmp_path / "data.bin"
    path.write_bytes(b"encoded")
    return path


def test_a_second_load_does_not_decode_again(machine_cache: Path, file: Path) -> None:
    calls: list[list[Path]] = []
    decode = counting(calls, pictures(30, 3))
    first, second = open_cached_arrays([file], decode), open_cached_arrays([file], decode)
    assert same(first, pictures(30, 3))
    assert same(second, pictures(30, 3))
    assert calls == [[file]]


def test_the_decoded_images_are_mapped_and_cannot_be_changed_on_disk(
    machine_cache: Path, file: Path
) -> None:
    decode = counting([], pictures(30, 3))
    images = open_cached_arrays([file], decode).images
    assert isinstance(images, np.memmap)
    images[:] = 0
    assert same(open_cached_arrays([file], decode), pictures(30, 3))


def test_a_file_that_changes_is_decoded_again(machine_cache: Path, file: Path) -> None:
    calls: list[list[Path]] = []
    open_cached_arrays([file], counting(calls, pictures(30, 3)))
    file.write_bytes(b"encoded anew")
    assert same(open_cached_arrays([file], counting(calls, pictures(20, 4))), pictures(20, 4))
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
@pytest.mark.parametrize("left", [0, 5, 100, -1, None], ids=str)
def test_a_torn_copy_is_written_again(
    machine_cache: Path, file: Path, name: str, left: int | None
) -> None:
    """Empty, cut in the magic, after the header, by one byte, or gone."""
    calls: list[list[Path]] = []
    decode = counting(calls, pictures(30, 3))
    open_cached_arrays([file], decode)
    (torn,) = machine_cache.glob(f"arrays/*/{name}")
    if left is None:
        torn.unlink()
    else:
        content = torn.read_bytes()
        torn.unlink()
        torn.write_bytes(content[:left])
    assert same(open_cached_arrays([file], decode), pictures(30, 3))
    assert len(calls) == 2
    open_cached_arrays([file], decode)
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "sha256"])
def test_a_copy_with_a_wrong_checksum_is_written_again(
    machine_cache: Path, file: Path, name: str
) -> None:
    """A bit that a disk has turned, in a file of the right length."""
    calls: list[list[Path]] = []
    decode = counting(calls, pictures(30, 3))
    open_cached_arrays([file], decode)
    (damaged,) = machine_cache.glob(f"arrays/*/{name}")
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    assert same(open_cached_arrays([file], decode), pictures(30, 3))
    assert len(calls) == 2
    open_cached_arrays([file], decode)
    assert len(calls) == 2


def test_other_settings_are_another_copy(machine_cache: Path, file: Path) -> None:
    calls: list[list[Path]] = []
    decode = counting(calls, pictures(30, 3))
    for side in (8, 16, 8):
        open_cached_arrays([file], decode, side=side)
    assert len(calls) == 2


def test_a_decoder_that_fails_leaves_nothing_behind(machine_cache: Path, file: Path) -> None:
    def fail(files: list[Path]) -> LabelledImages:
        raise InvalidValue("not an image")

    with pytest.raises(InvalidValue, match="not an image"):
        open_cached_arrays([file], fail)
    assert same(open_cached_arrays([file], counting([], pictures(5, 0))), pictures(5, 0))


DECODER = """
import os, sys
from pathlib import Path
import numpy as np
from tasks.datasets.dataset import LabelledImages
from tasks.datasets.formats.decoded_cache import open_cached_arrays

def decode(files):
    print("decodes", flush=True)
    sys.stdin.readline()
    return LabelledImages(np.full((40, 3, 8, 8), 7, np.uint8), np.arange(40))

print("starts", flush=True)
data = open_cached_arrays([Path(sys.argv[1])], decode)
print("has", int(data.images.sum()), int(data.labels.sum()), flush=True)
"""


def test_two_processes_at_once_decode_once(machine_cache: Path, file: Path, process) -> None:
    first = process(DECODER, file)
    assert [first.stdout.readline(), first.stdout.readline()] == ["starts\n", "decodes\n"]
    second = process(DECODER, file)
    assert second.stdout.readline() == "starts\n"
    for child in (first, second):  # were the second to decode after all, it would not wait for ever
        child.stdin.write("go on\n")
        child.stdin.flush()
    total = f"has {40 * 3 * 8 * 8 * 7} {sum(range(40))}\n"
    assert first.stdout.read() == total
    assert second.stdout.read() == total, "the second decoded too"
