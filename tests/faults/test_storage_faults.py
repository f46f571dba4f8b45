"""Faults of the storage while a sweep runs: nothing is lost, and `resume` makes it whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Sweep

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(trained: Path, tmp_path: Path) -> Iterator[Path]:
    """A storage root with trained models on a file system of 32 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(trained / "artifacts", disk / "storage" / "artifacts")
        yield disk / "storage"
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is; returns the file that does."""
    file = disk / "ballast"
    with file.open("wb", buffering=0) as ballast:
        for block in (1 << 20, 4096):
            try:
                while ballast.write(bytes(block)) == block:
                    pass
            except OSError:
                continue
    return file


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk.parent)], check=True)


def assert_resumed(sweep: Sweep, kept: dict[str, object]) -> str:
    """`resume` ends well, and has run no trial of `kept` again."""
    output, _ = (process := sweep.resume()).communicate(timeout=600)
    assert process.returncode == 0, output
    after = sweep.ended()
    assert {k: after[k] for k in kept} == kept
    sweep.assert_whole()
    return output


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_cannot_be_written_ends_the_sweep_in_one_line(small_disk, fault):
    sweep = Sweep(small_disk, "disk")
    process = sweep.start()
    sweep.wait_for(process, 3)
    if fault == "full":
        ballast = fill(small_disk.parent)
    else:
        remount(small_disk, "ro")
    output, _ = process.communicate(timeout=300)
    if fault == "full":
        ballast.unlink()
    else:
        remount(small_disk, "rw")
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert {"full": "No space left", "read-only": "Read-only file system"}[fault] in output
    assert "resume" in output.splitlines()[-1]
    assert_resumed(sweep, sweep.ended())


@pytest.mark.parametrize("seed", range(3))
def test_what_was_damaged_between_two_drivers_is_found_and_made_again(storage, seed):
    """A file of rows and the journal cut, a trained model altered, each at a random place."""
    rng = random.Random(seed)
    sweep = Sweep(storage, "damaged")
    process = sweep.start()
    sweep.wait_for(process, 4)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = sweep.ended()
    rows = rng.choice(sorted((storage / "rows" / "damaged").glob("[!or]*.parquet")))
    for file in (rows, storage / "sweeps" / "damaged" / "studies.journal"):
        os.truncate(file, rng.randrange(file.stat().st_size))
    model = rng.choice(sorted((storage / "artifacts").glob("*.pt")))
    content = bytearray(model.read_bytes())
    content[rng.randrange(len(content))] ^= 0xFF
    model.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        intact = sweep.ended()
    assert len(intact) == len(kept) - 1
    assert_resumed(sweep, intact)
