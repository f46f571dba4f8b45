"""The benchmarks that are meant for a GPU, on a CPU: what they run, count and write."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pictures import small_cifar10
from program import ENVIRONMENT, ROOT

from benchmarks.cluster.packing import mps
from benchmarks.compute import airbench94
from benchmarks.compute.training import RIVAL
from tasks.compute.flops import gradient_flops
from tasks.compute.meters import Gradients
from tasks.models import AUTO, model_class


def benchmark(name: str, *arguments: str | Path) -> tuple[str, list[dict[str, Any]]]:
    """What `python -m benchmarks.NAME` printed, and the rows that it wrote to --out."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, pq.read_table(arguments[-1]).to_pylist()


@pytest.mark.slow
def test_packing_counts_the_trials_of_all_processes(storage, tmp_path):
    said, rows = benchmark(
        "cluster.packing", "--counts", "1", "3", "--seconds", "0.5", "--storage", storage,
        "--out", tmp_path / "rows.parquet",
    )  # fmt: skip
    assert [row["processes"] for row in rows] == [1, 3]
    assert all(row["trials"] >= row["processes"] for row in rows)
    assert all(row["seconds"] >= 0.5 and row["megabytes"] > 0 for row in rows)
    assert "Trials of finetune on one cpu" in said


def test_packing_under_mps_needs_a_gpu(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster.packing", "--mps"],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--mps needs --device cuda" in done.stderr


def test_mps_runs_for_the_length_of_the_block(tmp_path, monkeypatch):
    """With a program in the place of NVIDIA's that writes down what it is told."""
    control, told = tmp_path / "nvidia-cuda-mps-control", tmp_path / "told"
    control.write_text(f'#!/bin/sh\necho "$@ $(cat) in $CUDA_MPS_PIPE_DIRECTORY" >> {told}\n')
    control.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with mps():
        folder = os.environ["CUDA_MPS_PIPE_DIRECTORY"]
        assert Path(folder).is_dir()
    assert told.read_text().split("\n") == [f"-d  in {folder}", f" quit in {folder}", ""]
    assert "CUDA_MPS_PIPE_DIRECTORY" not in os.environ


def test_training_measures_the_model_at_its_recipes_end(tmp_path):
    said, rows = benchmark(
        "compute.training", "--dataset", "digits", "--models", "small-cnn", "--every",
        "--out", tmp_path / "rows.parquet",
    )  # fmt: skip
    assert [row["epoch"] for row in rows] == list(range(1, rows[0]["epochs"] + 1))
    assert rows[-1]["accuracy"] > 0.9
    assert all(0 < a["seconds"] < b["seconds"] for a, b in itertools.pairwise(rows))
    assert "88%, 94%" in said.splitlines()[-2]


@pytest.mark.slow
def test_training_runs_the_rival_of_the_field_too(tmp_path):
    """On so few pictures that it takes twenty steps, and learns that there are shades of them."""
    _, rows = benchmark(
        "compute.training", "--data-dir", small_cifar10(tmp_path, train=2100, noise=150), "--models", RIVAL,
        "--every", "--out", tmp_path / "rows.parquet",
    )  # fmt: skip
    assert [row["epoch"] for row in rows] == list(range(1, 11))
    assert all(0 < a["seconds"] < b["seconds"] for a, b in itertools.pairwise(rows))
    assert rows[-1]["accuracy"] > 0.11


def test_the_original_model_of_a_gpu_takes_no_more_than_the_rival():
    """By operations: within a tenth. What they take by the clock a GPU must say."""
    cls, options = model_class(AUTO["cifar10"]["cuda"])
    models = cls(3, 10, **options), airbench94.Airbench94(classes=10)
    ours, theirs = (gradient_flops(m, (3, 32, 32), Gradients.of_training(m)) for m in models)
    assert cls.recipe.epochs * ours <= 1.1 * airbench94.EPOCHS * theirs
