"""The front: who is on it, what it is selected on, and that its figures are there."""

from __future__ import annotations

import dataclasses

import pytest
from PIL import Image

from analysis.pareto_front import main
from analysis.results import read_sweep
from orchestrator.results.figures.axes import choose_axes
from orchestrator.results.figures.front import choose_window, make_figure
from orchestrator.results.figures.points import (
    COLOURS,
    CostScale,
    Front,
    assign_shapes,
    select_front,
)
from orchestrator.results.objectives import OBJECTIVES, objective_named


def listed(text):
    """(trial, epoch) of every row of a Markdown table, baselines left out."""
    cells = [
        [c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line
    ]
    return {(c[2], int(c[3])) for c in cells if len(c) > 3 and c[3].isdigit()}


def test_front_holds_trajectory_points_and_no_dominated_one(store, row, baselines, capsys):
    root = store(
        *baselines,
        row("finetune-0", epoch=1, final=False, accuracy=0.85, mia=0.50, unlearn_seconds=5.0),
        row("finetune-0", epoch=2, accuracy=0.86, mia=0.52, unlearn_seconds=10.0),
        row("ssd-0", accuracy=0.84, mia=0.53, unlearn_seconds=6.0),  # finetune-0 at 1 dominates it
        row("ssd-1", accuracy=0.80, mia=0.53, unlearn_seconds=1.0),
        row("ssd-2", accuracy=0.99, mia=0.50, unlearn_seconds=0.1, state="failed"),
        row("ssd-3", accuracy=0.30, mia=0.60, unlearn_seconds=2.0, state="pruned"),
    )
    assert main([str(root), "--markdown"]) == 0
    assert listed(capsys.readouterr().out) == {("finetune-0", 1), ("finetune-0", 2), ("ssd-1", 1)}


def test_front_is_selected_on_validation_and_reports_test(store, row, capsys):
    root = store(
        row("finetune-0", accuracy=0.86, test_accuracy_retained=0.70, mia=0.5),
        row("finetune-1", accuracy=0.85, test_accuracy_retained=0.90, mia=0.5),
    )
    assert main([str(root), "--markdown"]) == 0
    said = capsys.readouterr().out
    assert listed(said) == {("finetune-0", 1)}
    assert "0.700" in said
    assert "validation_accuracy_retained ↑, validation_indistinguishability ↑" in said
    assert "test half had no part in the selection" in said


def test_objective_of_the_users_own_selects_the_front(store, row, capsys):
    root = store(
        row("finetune-0", test_accuracy_retained=0.9, relative_cost=0.5),
        row("finetune-1", test_accuracy_retained=0.8, relative_cost=0.1),
        row("finetune-2", test_accuracy_retained=0.7, relative_cost=0.2),
    )
    own = "test_accuracy_retained:max,relative_cost:min"
    assert main([str(root), "--markdown", "--objective", own]) == 0
    said = capsys.readouterr().out
    assert listed(said) == {("finetune-0", 1), ("finetune-1", 1)}
    assert "its test values are too optimistic" in said


def test_unknown_objective_lists_the_valid_ones(store, row, capsys):
    assert main([str(store(row("finetune-0"))), "--objective", "best"]) == 2
    assert "pareto, forget, accuracy, mia, time, score" in capsys.readouterr().err


def test_figures_are_written_and_readable(store, row, baselines, tmp_path):
    methods = ("finetune", "ssd", "gradient-ascent")
    trials = [
        row(f"{m}-{i}", accuracy=0.2 + 0.3 * i, mia=0.5 + 0.01 * i, unlearn_seconds=1.0 + i)
        for i in range(3)
        for m in methods
    ]
    assert main([str(store(*baselines, *trials)), "--out", str(tmp_path / "drawn" / "here")]) == 0
    with Image.open(tmp_path / "drawn" / "here" / "pareto_front-deck.png") as picture:
        picture.load()
        assert picture.width >= 1200
        assert len(picture.convert("RGB").getcolors(10**7)) > 100
    page = (tmp_path / "drawn" / "here" / "pareto_front-deck.html").read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page
    assert "<script src=" not in page.replace('charset="utf-8" ', "")  # self-contained
    assert all(f"{m}-0" in page for m in methods)


def test_figures_lie_beside_the_results_by_default(store, row, capsys):
    root = store(row("finetune-0", unlearn_seconds=0.0))
    assert main([str(root)]) == 0
    assert (root / "figures" / "pareto_front-deck.png").is_file()
    assert str(root / "figures" / "pareto_front-deck.html") in capsys.readouterr().err


def test_points_that_cannot_be_drawn_are_left_out(store, row, baselines):
    root = store(*baselines, row("finetune-0", indistinguishability=None), row("finetune-1"))
    front = select_front(read_sweep(str(root)), OBJECTIVES["pareto"])
    assert [r["trial_id"] for r in front.drawn] == ["finetune-1"]
    assert set(front.baselines) == {"original", "retrained"}


def test_folder_that_cannot_be_written_is_exit_code_2(store, row, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    root = store(row("finetune-0"))
    assert main([str(root), "--out", str(tmp_path / "file")]) == 2
    assert "error: cannot write to" in capsys.readouterr().err


def test_close_up_leaves_out_collapsed_models(row):
    good, poor = row("finetune-0", accuracy=0.9), row("gradient-ascent-0", accuracy=0.1)
    window = choose_window([good, poor])
    assert good in window
    assert poor not in window


def test_close_up_holds_the_recommended_point(row):
    """However little accuracy it kept: the title speaks of it."""
    good, poor = row("finetune-0", accuracy=0.9), row("ssd-0", accuracy=0.6)
    assert poor not in choose_window([good, poor])
    assert poor in choose_window([good, poor], recommended=poor)


def test_a_picture_says_how_many_points_it_leaves_out_and_names_the_recommended_one_inside(
    store, row, baselines
):
    steering = row("finetune-1", indistinguishability=None, test_accuracy_retained=None)
    poor = row("ssd-0", accuracy=0.6, mia=0.5, unlearn_seconds=1.0)
    read = read_sweep(str(store(*baselines, steering, poor, row("finetune-0", accuracy=0.9))))
    front = dataclasses.replace(select_front(read, OBJECTIVES["pareto"]), recommended=None)
    (drawn,) = (r for r in front.drawn if r["trial_id"] == "ssd-0")
    figure = make_figure(dataclasses.replace(front, recommended=drawn))
    texts = " ".join(text.get_text() for text in figure.texts)
    assert "2 points of 3 trials" in texts
    assert "1 more point has no value on an axis" in " ".join(texts.split())
    (name,) = (t for t in figure.axes[0].texts if t.get_text() == "recommended")
    assert name.get_ha() == "left", "the point is at the left edge"


@pytest.mark.parametrize(
    ("aim", "said"),
    [
        ("pareto", "had no part in the selection."),
        ("forget", "but what has no halves had: forget_accuracy."),
        ("pareto,forget_accuracy<=.1", "but what has no halves had: forget_accuracy."),
        ("test_accuracy_retained:up", "too optimistic."),
    ],
)
def test_the_caption_says_what_of_the_reported_numbers_steered(aim, said):
    assert Front("t", objective_named(aim), [], [], {}).caption.endswith(said)


def test_marker_sizes_are_logarithmic_in_cost():
    costs = CostScale(1.0, 100.0)
    assert [costs.compute_share(t) for t in (0.0, 1.0, 10.0, 100.0)] == pytest.approx(
        [0, 0, 0.5, 1]
    )
    assert CostScale(5.0, 5.0).compute_share(5.0) == 0.5


@pytest.mark.parametrize(
    ("objective", "columns", "labels"),
    [
        ("pareto", ["test_accuracy_retained", "indistinguishability"], ["  →", "  →"]),
        ("forget", ["test_accuracy_retained", "forget_accuracy"], ["  →", "←  "]),
        ("forget_accuracy:min,relative_cost:min", ["forget_accuracy", "test_accuracy_retained"], ["←  ", "  →"]),
        ("time", ["test_accuracy_retained", "indistinguishability"], ["  →", "  →"]),
    ],
)  # fmt: skip
def test_the_axes_are_what_the_objective_trades_off(objective, columns, labels):
    sides = choose_axes(objective_named(objective))
    assert [side.column for side in sides] == columns
    assert all(arrow in side.label for arrow, side in zip(labels, sides, strict=True))


def drawn_axes(store, row, baselines, **columns):
    """The axes of the picture of two methods, and what it is drawn of."""
    rows = [
        row("ssd-0", accuracy=0.9, unlearn_seconds=1.0, **columns),
        row("finetune-0", accuracy=0.2, **columns),
    ]
    front = select_front(read_sweep(str(store(*baselines, *rows))), OBJECTIVES["pareto"])
    return make_figure(front), front


def test_the_original_is_hollow_and_behind_and_each_method_has_a_shape(store, row, baselines):
    figure, front = drawn_axes(store, row, baselines)
    main = figure.axes[0]
    stars = [c for c in main.collections if c.get_sizes().size and c.get_sizes()[0] == 330]
    behind = min(stars, key=lambda star: star.get_zorder())
    points = [c for c in main.collections if len(c.get_offsets()) and c not in stars]
    assert behind.get_facecolor().size == 0, "hollow"
    assert all(behind.get_zorder() < c.get_zorder() for c in points)
    assert len(set(front.shapes.values())) == 2
    names = [str(n) for n in range(60)]
    looks = zip(
        assign_shapes(names).values(), [COLOURS[i % len(COLOURS)] for i in range(60)], strict=True
    )
    assert len(set(looks)) == 60


@pytest.mark.parametrize(
    ("column", "columns", "value"),
    [("test_accuracy_forgotten", {}, 0.4), ("forget_accuracy", {"test_accuracy_forgotten": None}, 0.5)],
)  # fmt: skip
def test_a_panel_shows_the_forgotten_accuracy_against_the_cost(
    store, row, baselines, column, columns, value
):
    """Of held-out images where classes are forgotten, else of the forget set; what is said is above the picture."""
    plain = [{**model, **columns} for model in baselines]
    figure, _ = drawn_axes(store, row, plain, **columns)
    panel = next(a for a in figure.axes if a.get_title("left") == column.replace("_", " "))
    places = {tuple(p) for c in panel.collections for p in c.get_offsets().tolist()}
    assert (0.002, value) in {(round(x, 4), round(y, 4)) for x, y in places}
    title, told = figure.texts
    assert "no part in the selection" in told.get_text().replace("\n", " ")
    assert title.get_position()[1] >= told.get_position()[1] > 0.85


def test_dollar_signs_in_a_task_are_drawn_as_they_are(store, row, baselines, tmp_path):
    """Matplotlib reads what stands between two as a formula, and fails on `_2_1`."""
    task = "folder-class:$5_2_1+$10"
    root = store(*(r | {"task": task} for r in (*baselines, row("finetune-0"))))
    assert main([str(root), "--out", str(tmp_path)]) == 0
    assert list(tmp_path.glob("*.png"))
