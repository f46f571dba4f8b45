"""docs/your-own.md, followed to the letter in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from program import ENVIRONMENT, ROOT, rows_of

from orchestrator.cli.main import main

PAGE = (ROOT / "docs" / "your-own.md").read_text()
TOOLS = Path(sys.executable).parent
MODULES = "my_methods", "my_sets", "my_data", "my_nets", "my_samplers"


def list_commands() -> list[list[str]]:
    """The command lines of the page, in their order."""
    blocks = re.findall(r"```sh\n(.*?)\n```", PAGE, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def run(words: list[str], folder: Path, path: str) -> str:
    """Run a command line as a process in this folder; return what it printed."""
    environment = ENVIRONMENT | {
        "PYTHONPATH": path,
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page, and with its package installed beside them, in `site`."""
    folder = tmp_path_factory.mktemp("own")
    files = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
    assert len(files) == 7
    for name, text in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (pip,) = [words for words in list_commands() if "pip" in words]
    # No index: nothing but the package itself is needed, and the environment of the tests stays as it is.
    more = ["--no-index", "--quiet", "--target", str(folder / "site")]
    run([sys.executable, *pip[1:], *more], folder, "")
    return folder


@pytest.fixture
def forget_modules():  # type: ignore[no-untyped-def]
    """Forget the modules of the page, and where they were, afterwards."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("forget_modules")
def test_the_page_s_methods_data_models_and_samplers_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    mine = [c for c in list_commands() if c[:3] == ["python", "-m", "orchestrator"]]
    here = [
        words for words in mine if not any("forget_confidence" in w or w == "list" for w in words)
    ]
    assert len(here) == 7
    said = []
    for words in here:
        assert main(words[3:]) == 0, words
        said.append(capsys.readouterr().out)
    assert "factor" in said[1], "the plan of the sweep names the hyper-parameter of one's own"
    assert "forget set: 100 of 1,198 training examples" in said[2]
    assert "level" in said[3]


def test_a_metric_of_a_package_is_listed_and_steers(folder: Path) -> None:
    path = f"{ROOT}{os.pathsep}{folder / 'site'}"
    asked = [
        words
        for words in list_commands()
        if {"forget_confidence:min,relative_cost:min", "list"} & {*words}
    ]
    assert len(asked) == 2
    listed, planned = (run([sys.executable, *words[1:]], folder, path) for words in asked)
    assert "forget_confidence: Mean probability of the top class on the forget set" in listed
    assert "forget_confidence" in planned


def test_the_installed_command_sees_the_current_folder_too(folder: Path) -> None:
    """`python -m` does so by itself: the commands above. Only a plan is made, which takes no Ray."""
    words = [
        "sweep",
        "--dry-run",
        "--task",
        "digits-class:1",
        "--unlearners",
        "my_methods:ShrinkHead",
    ]
    assert "my_methods:ShrinkHead" in run([str(TOOLS / "orchestrator"), *words], folder, str(ROOT))


@pytest.mark.slow  # a sweep
def test_the_page_s_sweep_runs(folder: Path) -> None:
    (words,) = [words for words in list_commands() if words[0] == "orchestrator"]
    run([str(TOOLS / "orchestrator"), *words[1:]], folder, f"{ROOT}{os.pathsep}{folder / 'site'}")
    trials = [row for row in rows_of(folder / "results", "own") if row["role"] == "trial"]
    assert {row["unlearner"] for row in trials} == {"my_methods:ShrinkHead", "ssd"}
    assert {row["state"] for row in trials} <= {"complete", "pruned"}


def test_the_page_names_every_group_of_entry_points() -> None:
    from orchestrator.search.samplers import SAMPLERS
    from tasks.datasets import DATASETS
    from tasks.evaluation import METRICS
    from tasks.forget_sets import FORGET_SETS
    from tasks.models import MODELS
    from tasks.unlearners import UNLEARNERS

    for registry in (SAMPLERS, DATASETS, METRICS, FORGET_SETS, MODELS, UNLEARNERS):
        assert f"`{registry.group}`" in PAGE


def test_parts_of_packages_are_listed_and_a_broken_one_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tmp_path / "own_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-broken\nVersion: 1.0\n")
    groups = {
        "datasets": "datasets", "forget-sets": "forget_sets", "models": "models", "samplers": "samplers",
        "unlearners": "unlearners",
    }  # fmt: skip
    points = (
        f"[orchestrator.{group}]\ntheirs = no_such_module:thing\n" for group in groups.values()
    )
    (info / "entry_points.txt").write_text("\n".join(points))
    monkeypatch.syspath_prepend(str(tmp_path))
    for listing in groups:
        assert main(["list", listing]) == 0
        said = capsys.readouterr().out
        (line,) = [text for text in said.splitlines() if text.startswith("theirs: ")]
        assert "cannot import" in line
        assert "'theirs': No module named 'no_such_module'" in line
        assert "module:" in said, "how one's own is named"
