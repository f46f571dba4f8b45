"""The tree of errors: what the user can put right is 2, what the surroundings did is 1, a bug is a traceback."""

from __future__ import annotations

import builtins
import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from tasks import errors

METHOD = """
from dataclasses import dataclass

from tasks import errors
from tasks.unlearners.base import Unlearner


@dataclass(frozen=True)
class Method(Unlearner):
    '''Raises while it is built.'''

    def __post_init__(self):
        raise {error}

    def unlearn(self, problem):
        yield
"""
ROOT = Path(__file__).resolve().parents[3]
CLASSES = [
    c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == "tasks.errors"
]


@pytest.fixture
def raising(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Write a plug-in that raises; returns the arguments of a run of it, and where it lies."""

    def write(error: str) -> list[str]:
        (tmp_path / "own_raising.py").write_text(METHOD.format(error=error))
        task = ["run", "--task", "digits-class:1", "--unlearner", "own_raising:Method"]
        return [*task, "--storage", str(tmp_path / "storage")]

    return write


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The plug-in can be imported, and is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("own_raising", None)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_is_of_one_kind(cls: type[Exception]) -> None:
    kinds = (errors.InputError, errors.SurroundingsError, errors.Diverged)
    assert sum(issubclass(cls, kind) for kind in kinds) == 1
    again = pickle.loads(pickle.dumps(cls("what happened")))  # it crosses processes
    assert (type(again), str(again)) == (cls, "what happened")


@pytest.mark.parametrize("cls", [c for c in CLASSES if not issubclass(c, errors.Diverged)])
@pytest.mark.usefixtures("importable")
def test_its_kind_decides_the_exit_code(raising, capsys, cls: type[Exception]) -> None:  # type: ignore[no-untyped-def]
    expected = 2 if issubclass(cls, errors.InputError) else 1
    assert main(raising(f"errors.{cls.__name__}('the reason')")) == expected
    assert capsys.readouterr().err == "orchestrator: the reason\n"


@pytest.mark.parametrize(
    "bug", ["ValueError", "TypeError", "RuntimeError", "KeyError", "ArithmeticError"]
)
@pytest.mark.usefixtures("importable")
def test_a_bug_is_not_swallowed(raising, bug: str) -> None:  # type: ignore[no-untyped-def]
    """Also of the classes that errors of ours extend."""
    with pytest.raises(getattr(builtins, bug), match="a bug"):
        main(raising(f"{bug}('a bug')"))


def test_a_bug_shows_where_it_is(raising, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    command = [sys.executable, "-m", "orchestrator", *raising("ValueError('a bug')")]
    path = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert 'own_raising.py"' in done.stderr
    assert done.stderr.endswith("ValueError: a bug\n")


UNREADABLE = METHOD.partition("    def __post_init__")[0] + "    strength: NoSuchType = 1\n"


def test_a_bug_in_the_driver_of_a_sweep_shows_where_it_is(tmp_path: Path) -> None:
    """Behind a view, in a connection to Ray, with a hint of how to go on: none of them may swallow it."""
    (tmp_path / "own_unreadable.py").write_text("from __future__ import annotations\n" + UNREADABLE)
    options = ["--task", "digits-class:1", "--trials", "1", "--storage", str(tmp_path / "storage")]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "orchestrator",
            "sweep",
            "--unlearners",
            "own_unreadable:Method",
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "NameError: name 'NoSuchType' is not defined" in done.stderr
