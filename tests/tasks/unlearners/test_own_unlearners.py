"""Ordinary mistakes in a method of the user's own: each is one line, before anything runs if it can be seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from tasks.errors import InvalidValue
from tasks.trial import run_trial
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import Unlearner
from tasks.unlearners.declaration import check_declaration

HEAD = """
from dataclasses import dataclass
from typing import Annotated

from tasks.search_space import Float, Int
from tasks.unlearners.base import SGDUnlearner, Unlearner
"""
METHOD = """

@dataclass(frozen=True)
class Shrink(Unlearner):
    factor: Annotated[float, Float(0.1, 0.9)] = 0.5

    def unlearn(self, problem):
        for weights in problem.model.parameters():
            weights.data.mul_(self.factor)
        yield
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Write the method, with a text of it replaced, to where it can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def change(old: str, new: str) -> str:
        assert old in METHOD
        (tmp_path / "own_shrink.py").write_text(HEAD + METHOD.replace(old, new))
        return "own_shrink:Shrink"

    yield change
    sys.modules.pop("own_shrink", None)


MISTAKES = {
    "no dataclass": ("@dataclass(frozen=True)\n", "", "lacks @dataclass(frozen=True), hence factor is no"),
    "no default": (" = 0.5", "", "field factor has no default"),
    "a default outside its domain": ("0.5", "5.0", "the default factor=5.0 is out of range: a float in 0.1..0.9"),
    "a default of another type": ("0.5", "'half'", "the default factor='half' is not a float in 0.1..0.9"),
    "a fraction for a count": ("float, Float(0.1, 0.9)", "int, Int(0, 9)", "the default factor=0.5 is not an int"),
    "no yield": ("        yield\n", "", "unlearn() has no yield"),
    "no unlearn": ("def unlearn", "def forget", "it defines no unlearn(self, problem)"),
    "another signature": ("self, problem", "self, model, data", "unlearn() takes model, data, not (self, problem)"),
    "a default without annotation": (
        "(Unlearner):", "(SGDUnlearner):\n    lr = 0.5", "lr = 0.5 has no annotation, hence it changes nothing",
    ),
    "not frozen": ("(frozen=True)", "", "cannot inherit non-frozen dataclass from a frozen one"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_in_one_line_before_anything_runs(mistake: str, write, capsys) -> None:  # type: ignore[no-untyped-def]
    old, new, said = MISTAKES[mistake]
    name = write(old, new)
    task = ["run", "--task", "digits-class:1", "--storage", "nowhere", "--unlearner", name]
    assert main(task) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"unlearner {name!r}" in line
    assert said in line
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("        return print()\n", "Shrink.unlearn() returns NoneType, which yields nothing"),
        ("        yield from ()\n", "Shrink.unlearn() ended without a yield"),
    ],
)
def test_a_method_that_yields_nothing_is_said_when_it_runs(
    bench, write, new: str, said: str
) -> None:  # type: ignore[no-untyped-def]
    cls = unlearner_class(write("        yield\n", new))
    with pytest.raises(InvalidValue) as raised:
        list(run_trial(bench, cls(), 0))
    assert str(raised.value) == said


@pytest.mark.parametrize("name", UNLEARNERS)
def test_the_methods_of_this_package_are_declared_rightly(name: str) -> None:
    check_declaration(name, unlearner_class(name), Unlearner)


def test_a_method_may_hand_on_the_yields_of_another_function(write) -> None:  # type: ignore[no-untyped-def]
    name = write("        yield\n", "        return iter((None,))\n")
    assert unlearner_class(name)().params == {"factor": 0.5}
