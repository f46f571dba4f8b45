"""Faults of the storage while a sweep runs: nothing is lost, and `resume` makes it whole."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pictures import small_cifar10
from running import Driver, Sweep
from seeds import SEEDS

pytestmark = pytest.mark.slow

TRIAL, BASELINE = "[!or]*.parquet", "[or]*.parquet"
"""Names of row files: a trial's is its key, in hexadecimal; a baseline's begins with its role."""


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


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Whoever opens a file on the disk from now on finds it read-only; what is open stays so."""
    subprocess.run(["mount", "--bind", str(disk), str(disk)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def assert_resumed(sweep: Sweep, kept: dict[str, object], *, remade: int = 0) -> str:
    """`resume` ends well, and has run no trial of `kept` again."""
    output, _ = (process := sweep.resume()).communicate(timeout=600)
    assert process.returncode == 0, output
    after = sweep.ended()
    assert {k: after[k] for k in kept} == kept
    sweep.assert_whole(remade=remade)
    return output


def assert_ended_in_one_line(process: Driver, reason: str) -> None:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert reason in output.splitlines()[-1]
    assert "resume" in output.splitlines()[-1]


def random_moment(sweep: Sweep, process: Driver, rng: random.Random) -> None:
    sweep.wait_for(process, rng.randrange(sweep.total // 2))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(rng.uniform(0, 0.5))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_disk_ends_the_sweep_in_one_line(small_disk, seed):
    sweep = Sweep(small_disk, "disk", trials=6)
    process = sweep.start()
    random_moment(sweep, process, random.Random(f"full-{seed}"))
    ballast = fill(small_disk.parent)
    assert_ended_in_one_line(process, "No space left")
    ballast.unlink()
    assert_resumed(sweep, sweep.ended())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storage_that_becomes_read_only_ends_the_sweep_in_one_line(small_disk, seed):
    sweep = Sweep(small_disk, "disk", trials=6)
    process = sweep.start()
    random_moment(sweep, process, random.Random(f"read-only-{seed}"))
    with read_only(small_disk.parent):
        assert_ended_in_one_line(process, "ead-only")
    assert_resumed(sweep, sweep.ended())


def test_a_storage_that_became_read_only_is_refused_in_one_line(small_disk):
    sweep = Sweep(small_disk, "disk")
    process = sweep.start()
    sweep.wait_for(process, 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk.parent)], check=True)
    output, _ = (refused := sweep.resume()).communicate(timeout=120)
    assert refused.returncode == 2, output
    assert len([line for line in output.splitlines() if line != "getting ready: disk"]) == 1
    assert "--storage" in output
    assert "ead-only" in output or "permission" in output
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk.parent)], check=True)
    assert_resumed(sweep, sweep.ended())


def flip_a_byte(file: Path, rng: random.Random) -> None:
    """As a bad disk does."""
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_damaged_between_two_drivers_is_found_and_made_again(storage, seed):
    """A file of rows cut, the journal cut or altered, a trained model altered, each somewhere."""
    rng = random.Random(seed)
    sweep = Sweep(storage, "damaged")
    process = sweep.start()
    sweep.wait_for(process, 4)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = sweep.ended()
    cut = [
        rng.choice(sorted((storage / "rows" / "damaged").glob(kind))) for kind in (TRIAL, BASELINE)
    ]
    journal = storage / "sweeps" / "damaged" / "studies.journal"
    for file in cut if seed % 2 else (*cut, journal):
        os.truncate(file, rng.randrange(file.stat().st_size))
    model = rng.choice(sorted((storage / "artifacts").glob("*.pt")))
    for file in (model, journal) if seed % 2 else (model,):
        flip_a_byte(file, rng)
    with pytest.warns(UserWarning, match="damaged"):
        intact = sweep.ended()
    # A worker may outlive its driver by a moment, and store the row of one more trial.
    assert len(kept.keys() - intact.keys()) == 1
    assert_resumed(sweep, intact, remade=1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("damage", ["altered", "cut", "removed"])
def test_a_damaged_beton_is_written_again(tmp_path, damage, seed):
    """Under the feet of workers that have it mapped, and found so by those that come after them."""
    rng = random.Random(f"{damage}-{seed}")
    pytest.importorskip("ffcv", reason="FFCV is not installed")
    sweep = Sweep(
        tmp_path / "storage", "beton", task="cifar10-class:automobile",
        more=("--loader", "ffcv", "--model", "small-cnn", "--data-dir", str(small_cifar10(tmp_path))),
        environment={"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    process = sweep.start()
    sweep.wait_for(process, 2)
    (beton,) = (tmp_path / "cache").rglob("*.beton")
    whole = beton.read_bytes()
    if damage == "altered":  # what is mapped already would show it
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        at = rng.randrange(len(whole))
        beton.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    elif damage == "cut":
        os.truncate(beton, rng.randrange(len(whole)))
    else:
        beton.unlink()
    output, _ = process.communicate(timeout=600)
    assert damage == "altered" or process.returncode == 0, output
    assert_resumed(sweep, sweep.ended())
    assert beton.read_bytes() == whole
