"""A sweep gets another name, in every place, also if the renaming is killed; in a folder and in a bucket."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from store_rows import files, strictly
from store_sweeps import POINTS, contents, damage, make_sweep

import orchestrator
from orchestrator.cli.main import main
from orchestrator.results.confirmation.repeats import read_confirmation
from orchestrator.results.store import copy_rows
from orchestrator.sweeps.folder import read_config
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root


@pytest.fixture
def confirmed(root: str) -> str:
    """A sweep, its confirmation with one seed, and another one that has a name of its own."""
    make_sweep(root, "s", POINTS, data="d")
    shared = {"confirms": "s", "points": "front"}
    make_sweep(root, "s+seed-1", POINTS, config={**shared, "seed": 1}, task_seed=1)
    make_sweep(root, "mine", POINTS, config={**shared, "seed": 2}, task_seed=2)
    make_sweep(root, "other", POINTS, config={"seed": 3}, task_seed=3)
    return root


def seen(root: str, name: str) -> list[object]:
    """The confirmed points of a sweep, but for the names of sweeps."""
    found = read_confirmation(root, name, "pareto")
    plain = [
        {seed: {k: v for k, v in row.items() if k not in ("sweep", "confirms")} for seed, row in p.repeats.items()}
        for p in found.points
    ]  # fmt: skip
    assert all(len(repeats) == 2 for repeats in plain)
    return list(plain)


def check_renamed(root: str, before: list[object]) -> None:
    """The sweep `s` is `new` in every place, and nothing of the old name is left."""
    assert open_root(root).list_names("sweeps") == ["mine/", "new+seed-1/", "new/", "other/"]
    assert open_root(root).list_names("rows") == ["mine/", "new+seed-1/", "new/", "other/"]
    assert seen(root, "new") == before
    assert read_config("mine", root).confirms == read_config("new+seed-1", root).confirms == "new"
    rows = strictly(root).to_pylist()
    assert {(row["sweep"], row["confirms"]) for row in rows} == {
        ("new", None), ("new+seed-1", "new"), ("mine", "new"), ("other", None),
    }  # fmt: skip
    assert {sweep.state for sweep in orchestrator.list_sweeps(storage=root)} == {"finished"}


def test_a_renamed_sweep_keeps_its_rows_and_its_confirmation(confirmed: str) -> None:
    before, other = seen(confirmed, "s"), files(confirmed, "other")
    done = orchestrator.rename("s", "new", storage=confirmed)
    assert done.names == {"s": "new", "s+seed-1": "new+seed-1"}
    assert done.linked == ("mine",)
    check_renamed(confirmed, before)
    assert files(confirmed, "other") == other


@pytest.mark.parametrize("moment", ["rows are copied", "all is copied", "the old ones go"])
def test_a_renaming_that_was_killed_is_finished_by_the_same_command(
    tmp_path: Path, moment: str
) -> None:
    """As the kill leaves it: a part of the new sweep, both of them, or both and not all of the old rows."""
    root = str(tmp_path / "root")
    make_sweep(root, "s", POINTS)
    make_sweep(root, "s+seed-1", POINTS, config={"confirms": "s", "seed": 1}, task_seed=1)
    make_sweep(root, "mine", POINTS, config={"confirms": "s", "seed": 2}, task_seed=2)
    make_sweep(root, "other", POINTS, config={"seed": 3}, task_seed=3)
    before = seen(root, "s")
    if moment == "rows are copied":
        copy_rows(root, "s", "new", {"s": "new", "s+seed-1": "new+seed-1"})
        open_root(root).delete("rows/new/ssd-1key.parquet")
    else:
        done = shutil.copytree(root, tmp_path / "done")
        orchestrator.rename("s", "new", storage=done)
        for part in ("sweeps", "rows"):
            for name in ("new", "new+seed-1", "mine"):
                shutil.copytree(
                    done / part / name, tmp_path / "root" / part / name, dirs_exist_ok=True
                )
    if moment == "the old ones go":
        open_root(root).remove_folder("rows/s+seed-1")
        open_root(root).delete("rows/s/ssd-0key.parquet")
    if moment != "the old ones go":
        assert len(strictly(root, "s")) == 7, "the old sweep is whole"
    orchestrator.rename("s", "new", storage=root)
    check_renamed(root, before)


def test_a_name_that_is_taken_or_belongs_to_another_sweep_is_refused(
    confirmed: str, capsys
) -> None:  # type: ignore[no-untyped-def]
    before = contents(confirmed)
    make_sweep(confirmed, "same", POINTS, minute=1)  # the settings of `s`, and trials of its own
    before |= contents(confirmed, "sweeps/same") | contents(confirmed, "rows/same")
    for old, new, said in (
        ("s", "other", "the name 'other' is taken"),
        ("s", "same", "the name 'same' is taken"),
        ("s", "s", "the name 's' is taken"),
        ("s", "../x", "--name '../x'"),
        ("nobody", "x", "no sweep 'nobody'"),
        ("s+seed-1", "x", "is named after 's', which it confirms"),
    ):
        assert main(["rename", old, new, "--yes", "--storage", confirmed]) == 2
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1
    assert contents(confirmed) == before


def test_damaged_rows_are_not_renamed(root: str) -> None:
    make_sweep(root, "s", POINTS)
    damage(root, "rows/s/ssd-1key.parquet")
    before = contents(root, "rows/s")
    with pytest.raises(InvalidValue, match=r"ssd-1key.parquet of the sweep's rows is damaged"):
        orchestrator.rename("s", "new", storage=root)
    assert contents(root, "rows/s") == before
    assert read_config("s", root).trials == 3
