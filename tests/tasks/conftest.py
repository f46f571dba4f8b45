"""Real small data for the tests of tasks/: the digits, and models trained on them once a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from pictures import pictures, write_parquet

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.datasets.digits import load_digits
from tasks.needs import CALIBRATION
from tasks.references import use_references
from tasks.task import Task
from tasks.unlearners import unlearner_class
from tasks.workbench import Workbench

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """A machine may be busy; and one thread makes equal seeds give equal bits anywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The embedded data set."""
    return load_digits()


@pytest.fixture(scope="session")
def workbenches(
    tmp_path_factory: pytest.TempPathFactory, digits: Dataset
) -> Callable[..., Workbench]:
    """Workbenches by the name of a digits task, perhaps with a calibration split, over one artifact cache."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    built: dict[Task, Workbench] = {}

    def named(name: str, calibration: bool = False) -> Workbench:
        task = Task.named(name, calibration=calibration)
        if task not in built:
            built[task] = Workbench(task, digits, artifacts, CPU)
        return built[task]

    return named


@pytest.fixture(scope="session")
def bench(workbenches: Callable[..., Workbench]) -> Workbench:
    """Forget every training scan of a one; the original model is trained on first use."""
    return workbenches("digits-class:1")


@pytest.fixture(scope="session")
def random_bench(workbenches: Callable[..., Workbench]) -> Workbench:
    """Forget a random tenth of the digits."""
    return workbenches("digits-random:0.1")


@pytest.fixture(scope="session")
def calibrated_bench(workbenches: Callable[..., Workbench]) -> Workbench:
    """Forget every training scan of a one, with a calibration split."""
    return workbenches("digits-class:1", True)


@pytest.fixture(scope="session")
def bench_for(workbenches: Callable[..., Workbench]) -> Callable[[str, str], Workbench]:
    """A workbench by the names of a task and of a method: it keeps a calibration split if the method needs one."""
    return lambda task, name: workbenches(task, CALIBRATION in unlearner_class(name).needs)


@pytest.fixture(scope="session")
def judged(bench: Workbench, digits: Dataset) -> Workbench:
    """The task of `bench`, with what it takes to tell whether a model forgot: three references."""
    judged = Workbench(bench.task, digits, bench.cache.root, CPU)
    use_references(judged, 3)
    return judged


@pytest.fixture(scope="session")
def judged_for_all(calibrated_bench: Workbench, digits: Dataset) -> Workbench:
    """The same with a calibration split: any method can run there."""
    judged = Workbench(calibrated_bench.task, digits, calibrated_bench.cache.root, CPU)
    use_references(judged, 3)
    return judged


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path; modules imported from it are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


@pytest.fixture
def machine_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's cache of decoded data, private to one test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unlearning-sweeps"


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `python -c SOURCE ARGUMENTS` in a process of its own, with pipes; killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, *arguments: str | Path) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", source, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


@pytest.fixture
def parts() -> dict[str, LabelledImages]:
    """What is in the files that the tests write."""
    return {"train": pictures(60, 0), "test": pictures(20, 1)}


@pytest.fixture
def hugging_face(tmp_path: Path, parts: dict[str, LabelledImages]) -> Path:
    """A folder in Hugging Face's layout; the training split is cut in two files."""
    folder = tmp_path / "hub"
    train = parts["train"]
    for number, cut in enumerate((slice(0, 25), slice(25, None))):
        piece = LabelledImages(train.images[cut], train.labels[cut])
        write_parquet(folder / "plain_text" / f"train-0000{number}-of-00002.parquet", piece)
    write_parquet(folder / "plain_text" / "test-00000-of-00001.parquet", parts["test"])
    return folder
