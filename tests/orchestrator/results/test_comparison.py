"""Two fronts beside each other: hypervolumes and their noise, in closed form."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from store_sweeps import ORIGINAL, make_sweep

import orchestrator
from orchestrator.cli.main import main
from orchestrator.results.comparison.ruler import ACCURACY, HIDDEN
from orchestrator.results.objectives import objective_named
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import read_results, write_rows

QUANTILE = 4.302652729911275
"""Student's t with two degrees of freedom, at .975."""
WIDTHS = tuple(QUANTILE * spread * math.sqrt(4 / 3) for spread in (0.01, 0.02))
"""A further retrain lies within these of the mean accuracy and indistinguishability of the made-up references."""
PNG = b"\x89PNG"


def noise_of(accuracy: float, hidden: float, saved: float) -> float:
    """Of a front of one point: each width times the area of the box's other two sides."""
    return math.hypot(WIDTHS[0] * hidden * saved, WIDTHS[1] * accuracy * saved)


def test_the_hypervolume_and_noise_of_a_single_point_are_those_of_its_box(tmp_path: Path) -> None:
    root = str(tmp_path)
    make_sweep(root, "a", [(0.8, 0.6, 0.1)])
    make_sweep(root, "b", [(0.85, 0.8, 0.1), None])
    make_sweep(root, "c", [(0.8, 0.65, 0.1)])
    found = orchestrator.compare("a", "b", storage=root)
    assert found.first.volume == pytest.approx(0.8 * 0.6 * 0.9)
    assert found.second.volume == pytest.approx(0.85 * 0.8 * 0.9)
    assert found.first.noise == pytest.approx(noise_of(0.8, 0.6, 0.9))
    assert found.noise == pytest.approx(
        math.hypot(noise_of(0.8, 0.6, 0.9), noise_of(0.85, 0.8, 0.9))
    )
    assert found.difference == pytest.approx(0.18)
    assert found.differs is True
    assert found.verdict.startswith("The front of b is better beyond the noise")
    assert found.first.count_dominated(found.second) == 1
    assert found.second.count_dominated(found.first) == 0
    again = orchestrator.compare("b", "a", storage=root)
    assert (again.difference, again.noise) == (-found.difference, found.noise)
    assert again.verdict == found.verdict
    near = orchestrator.compare("a", "c", storage=root)
    assert near.differs is False
    assert near.verdict.startswith("The fronts do not differ beyond their noise")


def test_where_the_step_towards_forgetting_is_larger_than_the_spread_it_counts(
    tmp_path: Path,
) -> None:
    """Two references show no spread in indistinguishability: a tenth of the way from the original does."""
    root = str(tmp_path)
    models = ORIGINAL, ((0.9, 1.0, 1.0), (0.9, 1.0, 1.0))
    make_sweep(root, "a", [(0.8, 0.6, 0.1)], models=models)
    make_sweep(root, "b", [(0.8, 0.9, 0.1)], models=models)
    assert orchestrator.compare("a", "b", storage=root).first.noise == pytest.approx(
        0.09 * 0.8 * 0.9
    )


def test_nothing_is_said_without_references_and_an_empty_front_has_no_volume(
    tmp_path: Path,
) -> None:
    root = str(tmp_path)
    make_sweep(root, "a", [(0.8, 0.6, 0.1)])
    make_sweep(root, "alone", [(0.8, 0.9, 0.1)], models=(ORIGINAL, ((0.9, 1.0, 1.0),)))
    make_sweep(root, "idle", [(0.9, 0.1, 0.1)])
    unknown = orchestrator.compare("a", "alone", storage=root)
    assert (unknown.noise, unknown.differs) == (None, None)
    assert unknown.verdict.startswith("Unknown whether the fronts differ")
    empty = orchestrator.compare("a", "idle", storage=root)
    assert (empty.second.volume, empty.second.points) == (0.0, [])
    assert empty.differs is True
    assert empty._repr_png_().startswith(PNG)


def test_a_point_that_was_not_measured_whole_keeps_none_off_the_front(tmp_path: Path) -> None:
    """An accuracy sweep leaves such points: the search measures whole what its own objective may show."""
    root, points = str(tmp_path), [(0.8, 0.6, 0.1), (0.82, 0.7, 0.05)]
    make_sweep(root, "whole", points)
    make_sweep(root, "part", points[:1])
    make_sweep(root, "one", points[:1])
    (row,) = (r for r in read_results(root, "whole").to_pylist() if r["trial_id"] == "ssd-1")
    steering = {"measured": "steering", **dict.fromkeys((ACCURACY, HIDDEN))}
    write_rows(root, "part", row["trial_key"], [row | steering | {"sweep": "part"}])
    found = orchestrator.compare("whole", "part", storage=root)
    assert found.first.volume == pytest.approx(0.82 * 0.7 * 0.95)
    assert found.second.volume == pytest.approx(0.8 * 0.6 * 0.9)
    (notice,) = found.notices
    assert notice.startswith("1 points of part would be on its front and were not measured whole")
    assert orchestrator.compare("whole", "one", storage=root).notices == ()


@pytest.mark.parametrize(
    "settings", [{}, {"require": ("relative_cost>=.2",)}, {"objective": "accuracy"}]
)
def test_each_sweep_recommends_what_it_recommends_alone(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    root, points = str(tmp_path), [(0.8, 0.8, 0.05), (0.92, 0.6, 0.3), (0.7, 0.7, 0.25)]
    configs = [
        make_sweep(root, "plain", points),
        make_sweep(root, "own", points, config=settings),
    ]
    lines = dict(
        (name, rest)
        for name, *rest in orchestrator.compare("plain", "own", storage=root).list_lines()
    )
    alone = [
        recommend_point(read_results(root, config.name).to_pylist(), objective_named(config.aim))
        for config in configs
    ]
    assert lines["recommended"] == [row["trial_id"] if row else "-" for row in alone]
    assert lines["its cost / retrain"] == [
        f"{row['relative_cost']:.4f}" if row else "-" for row in alone
    ]
    assert (lines["recommended"][0] == lines["recommended"][1]) == (not settings)


def test_the_command_prints_a_table_and_draws_a_picture(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    root, picture = str(tmp_path), tmp_path / "two.png"
    make_sweep(root, "a", [(0.8, 0.6, 0.1), (0.7, 0.7, 0.2)])
    make_sweep(root, "b", [(0.85, 0.8, 0.1), None], task_seed=1)
    assert main(["compare", "a", "b", "--storage", root, "--output", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "hypervolume" in said
    assert "0.612 ± " in said
    assert "NOTICE: the seeds, hence splits, differ (0 and 1)" in said
    assert "The front of b is better beyond the noise" in said
    assert picture.read_bytes().startswith(PNG)


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    root = str(tmp_path)
    make_sweep(root, "a", [(0.8, 0.6, 0.1)])
    make_sweep(
        root, "b", [(0.8, 0.6, 0.1)], config={"task": "digits-class:2"}, task="digits-class:2"
    )
    make_sweep(root, "other-data", [(0.8, 0.6, 0.1)], data="e")
    for words, said in (
        (["a", "b"], "'a' is of task digits-class:1, 'b' of digits-class:2"),
        (["a", "other-data"], "the same task, and other data"),
        (["a", "a"], "is given twice"),
        (["a", "nobody"], "no sweep 'nobody'"),
        (["a", "b", "--output", "x.pdf"], "--output x.pdf: the name must end in .png"),
    ):
        assert main(["compare", *words, "--storage", root]) == 2
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1
