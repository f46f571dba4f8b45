"""One trained model for all: processes wait for whoever trains it, and workbenches find it."""

from __future__ import annotations

from pathlib import Path

import torch

from tasks.artifacts import ArtifactCache
from tasks.roles import ORIGINAL
from tasks.storage.roots import open_root
from tasks.workbench import Workbench

WORKER = """
import sys
import time
import torch
from tasks.artifacts import ArtifactCache, TrainingRecord

if sys.argv[1].startswith("s3:"):
    from tasks.storage.s3 import S3Storage
    S3Storage.takeover_seconds = 3.0

def train(is_over):
    print("trains", flush=True)
    if sys.stdin.readline() == "until it is over\\n":
        while not is_over():
            time.sleep(0.01)
        print("stops", flush=True)
        return None
    return {"weight": torch.full((10,), float(sys.argv[2]))}, TrainingRecord(1.0, 1, 1.0, "cpu", 1)

cache = ArtifactCache(sys.argv[1])
print("starts", flush=True)
artifact = cache.get("key", train, on_wait=lambda: print("waits", flush=True))
print("has", artifact.state["weight"].mean().item(), flush=True)
"""


def say(child, text: str = "go on\n") -> None:  # type: ignore[no-untyped-def]
    """Let a worker that trains finish."""
    child.stdin.write(text)
    child.stdin.flush()


def test_two_processes_train_once(root: str, process) -> None:  # type: ignore[no-untyped-def]
    first = process(WORKER, root, 1)
    assert [first.stdout.readline() for _ in range(2)] == ["starts\n", "trains\n"]
    second = process(WORKER, root, 2)
    assert [second.stdout.readline() for _ in range(2)] == ["starts\n", "waits\n"]
    say(first)
    say(second)  # were it to train after all, it would not wait for ever
    assert first.stdout.read() == "has 1.0\n"
    assert second.stdout.read() == "has 1.0\n", "the second trained a model of its own"


def test_a_waiter_takes_over_when_the_trainer_is_killed(root: str, process) -> None:  # type: ignore[no-untyped-def]
    first = process(WORKER, root, 1)
    assert [first.stdout.readline() for _ in range(2)] == ["starts\n", "trains\n"]
    second = process(WORKER, root, 2)
    assert [second.stdout.readline() for _ in range(2)] == ["starts\n", "waits\n"]
    first.kill()
    first.wait()
    assert second.stdout.readline() == "trains\n"
    say(second)
    assert second.stdout.read() == "has 2.0\n"


def test_of_two_that_trained_at_once_the_first_ones_model_stays(root: str, process) -> None:  # type: ignore[no-untyped-def]
    """The lease of the first ran out while it trained: neither may spoil what the other stores."""
    first = process(WORKER, root, 1)
    assert [first.stdout.readline() for _ in range(2)] == ["starts\n", "trains\n"]
    open_root(root).write("key.lock", b"") if root.startswith("s3:") else (
        Path(root) / "key.lock"
    ).unlink()
    second = process(WORKER, root, 2)
    assert [second.stdout.readline() for _ in range(2)] == ["starts\n", "trains\n"]
    say(second)
    assert second.stdout.read() == "has 2.0\n"
    say(first)
    assert first.stdout.read() == "has 2.0\n"
    loaded = ArtifactCache(root).load("key")
    assert loaded is not None
    assert loaded.state["weight"].mean().item() == 2.0


def test_a_trainer_that_was_thought_dead_stops_and_waits_for_its_successor(
    bucket: str, process
) -> None:  # type: ignore[no-untyped-def]
    first = process(WORKER, bucket, 1)
    assert [first.stdout.readline() for _ in range(2)] == ["starts\n", "trains\n"]
    open_root(bucket).write("key.lock", b"")
    second = process(WORKER, bucket, 2)
    assert [second.stdout.readline() for _ in range(2)] == ["starts\n", "trains\n"]
    say(first, "until it is over\n")
    assert [first.stdout.readline() for _ in range(2)] == ["stops\n", "waits\n"]
    say(second)
    assert second.stdout.read() == "has 2.0\n"
    assert first.stdout.read() == "has 2.0\n", "it trained again"


def test_the_workbench_trains_the_original_once_and_counts_what_it_took(
    bench: Workbench,
) -> None:
    artifact = bench.artifact(ORIGINAL)
    assert bench.artifact(ORIGINAL) is artifact, "it is kept in memory"
    assert bench.is_cached(ORIGINAL)
    recipe, images = bench.fresh_model().recipe, len(bench.dataset.train)
    assert artifact.record.gradient_samples == recipe.epochs * images
    assert artifact.record.flops == artifact.record.gradient_samples * bench.gradient_flops
    assert artifact.record.seconds > 0
    assert (artifact.record.device, artifact.record.threads) == ("cpu", 1)


def test_another_workbench_finds_the_model_and_says_nothing(bench: Workbench) -> None:
    said: list[tuple[object, ...]] = []
    found = bench.artifact(ORIGINAL)
    again = Workbench(bench.task, bench.dataset, bench.cache.root, bench.device)
    loaded = again.artifact(ORIGINAL, lambda *state: said.append(state))
    assert said == []
    assert all(torch.equal(loaded.state[n], t) for n, t in found.state.items())


def test_progress_is_shown_for_every_epoch_of_training(bench: Workbench, tmp_path: Path) -> None:
    said: list[tuple[str, int, int, float]] = []
    fresh = Workbench(bench.task, bench.dataset, tmp_path, bench.device)
    artifact = fresh.artifact(ORIGINAL, lambda *state: said.append(state))
    epochs = fresh.fresh_model().recipe.epochs
    assert [(done, total) for _, done, total, _ in said] == [(e, epochs) for e in range(epochs + 1)]
    assert {what for what, *_ in said} == {"original model"}
    seconds = [s for *_, s in said]
    assert seconds == sorted(seconds)
    assert seconds[-1] <= artifact.record.seconds < seconds[-1] + 1, (
        "the copy of the weights is in it"
    )
    expected = bench.artifact(ORIGINAL).state
    assert all(torch.equal(artifact.state[n], t) for n, t in expected.items()), "not reproducible"
