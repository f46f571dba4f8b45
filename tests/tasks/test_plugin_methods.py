"""Methods of a plug-in: they work on the fly or as an entry point, and a broken one says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import InvalidValue
from tasks.search_space import search_space
from tasks.trial import run_trial
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import Passes, begin_unlearning, passes_of

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated

from tasks.search_space import Float
from tasks.unlearners.base import Unlearner


@dataclass(frozen=True)
class Shrink(Unlearner):
    """Scale every weight."""

    factor: Annotated[float, Float(0.1, 0.9)] = 0.5
    """What is left."""

    def unlearn(self, model, retain, forget, rng):
        for p in model.parameters():
            p.data.mul_(self.factor)
        yield
'''


def test_module_and_class_work_on_the_fly(plugins: Path, bench) -> None:  # type: ignore[no-untyped-def]
    (plugins / "own_shrink.py").write_text(PLUGIN)
    cls = unlearner_class("own_shrink:Shrink")
    assert cls.__name__ == "Shrink"
    assert "factor" in search_space(cls)
    problem, _ = bench.problem(cls(), 0)
    before = problem.model.head.weight.detach().clone()
    list(begin_unlearning(cls(factor=0.25), problem))
    assert problem.model.head.weight.equal(before * 0.25)
    assert [point.epoch for point in run_trial(bench, cls(), 0)] == [1]


def test_an_entry_point_of_an_installed_package_is_found_by_its_name(plugins: Path) -> None:
    (plugins / "own_shrink.py").write_text(PLUGIN)
    info = plugins / "own_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{UNLEARNERS.group}]\nshrink = own_shrink:Shrink\n")
    assert unlearner_class("shrink").__name__ == "Shrink"
    with pytest.raises(InvalidValue, match="shrink"):
        unlearner_class("nothing")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("own_missing:Method", None),
        ("own_absent:Method", "x = 1"),
        ("own_import:Method", "import no_such_package_anywhere"),
        ("own_syntax:Method", "def broken(:"),
        ("own_raises:Method", "raise RuntimeError('no licence')"),
        ("own_number:Method", "Method = 3"),
        ("own_other:Method", "class Method: pass"),
        ("own_module:", "x = 1"),
        (":Method", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_broken_plugin_is_an_invalid_value_that_names_it(
    plugins: Path, name: str, source: str | None
) -> None:
    if source is not None:
        (plugins / f"{name.partition(':')[0]}.py").write_text(source)
    with pytest.raises(InvalidValue) as raised:
        unlearner_class(name)
    assert repr(name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_plug_in_s_passes_of_before_are_read(plugins: Path) -> None:
    """A pair of retain and forget, or None for a whole training."""
    (plugins / "own_shrink.py").write_text(
        PLUGIN
        + "class Pair(Shrink):\n    passes = (2, 0.5)\nclass Whole(Shrink):\n    passes = None\n"
    )
    declared = {c: passes_of(unlearner_class(f"own_shrink:{c}")) for c in ("Pair", "Whole")}
    assert declared == {"Pair": Passes(retain=2, forget=0.5), "Whole": Passes(trainings=1)}


def test_a_method_that_needs_what_no_problem_offers_is_refused(plugins: Path) -> None:
    (plugins / "own_shrink.py").write_text(
        PLUGIN + 'class Wants(Shrink):\n    needs = frozenset({"tea-leaves", "crystal-ball"})\n'
    )
    with pytest.raises(InvalidValue) as raised:
        unlearner_class("own_shrink:Wants")
    assert "'own_shrink:Wants' needs crystal-ball, tea-leaves" in str(raised.value)
    assert "valid:" in str(raised.value)
    assert "\n" not in str(raised.value)
