"""The deck's table: which point is chosen, on which half, and what is said of it."""

from __future__ import annotations

import pytest

from analysis.cs726_choice import best_final, choose_final
from analysis.cs726_table import main
from orchestrator.results.noise import NoiseFloor


@pytest.fixture
def original(baselines):
    return baselines[0]


def test_chosen_point_is_the_most_accurate_that_meets_every_condition(row, original):
    points = [
        row("finetune-0", accuracy=0.885),
        row("finetune-1", accuracy=0.89, epoch=2, final=False),
        row("finetune-2", accuracy=0.95, mia=0.54),
        row("finetune-3", accuracy=0.95, mia=0.46),
        row("finetune-4", accuracy=0.95, relative_cost=0.05),
        row("finetune-5", accuracy=0.879),
    ]
    choice = choose_final(points, original)
    assert choice.qualifies
    assert choice.row is points[1]
    assert "of 6 points, 2 have" in choice.rule


@pytest.mark.parametrize("mia", [0.47, 0.53])
def test_bounds_of_the_attack_and_of_accuracy_are_included(row, original, mia):
    assert choose_final([row("ssd-0", accuracy=0.88, mia=mia)], original).qualifies


def test_choice_sees_the_validation_half_alone(row, original):
    honest = row(
        "finetune-0", accuracy=0.89, test_accuracy_retained=0.5, mia_class_matched_accuracy=0.9
    )
    lucky = row("finetune-1", accuracy=0.87, test_accuracy_retained=0.99)
    assert choose_final([lucky, honest], original).row is honest


def test_a_model_that_forgot_nothing_is_no_final_model_where_the_noise_is_known(row, baselines):
    hidden = "validation_indistinguishability"
    original = {**baselines[0], hidden: 0.1}
    references = [{**baselines[1], hidden: 0.95}] * 2
    idle = row("finetune-0", accuracy=0.95, **{hidden: 0.1})
    forgets = row("ssd-0", accuracy=0.89, **{hidden: 0.8})
    assert choose_final([idle, forgets], original).row is idle
    choice = choose_final([idle, forgets], original, NoiseFloor(original, references))
    assert choice.row is forgets
    assert "beat the original in validation_indistinguishability" in choice.rule


def test_nearest_point_is_shown_if_none_qualifies(row, original):
    points = [
        row("finetune-0", accuracy=0.80),  # lacks .08
        row("finetune-1", accuracy=0.87, mia=0.55),  # lacks .01 + .02
        row("finetune-2", accuracy=0.95, relative_cost=0.15),  # lacks .1
    ]
    choice = choose_final(points, original)
    assert not choice.qualifies
    assert choice.row is points[1]
    assert "no point qualifies" in choice.rule


def test_best_final_is_of_its_method_and_by_validation(row):
    rows = [
        row("finetune-0", accuracy=0.84, test_accuracy_retained=0.99),
        row("finetune-1", accuracy=0.86, test_accuracy_retained=0.80),
        row("finetune-l2sp-0", accuracy=0.90),
    ]
    assert best_final(rows, "finetune") is rows[1]
    assert best_final(rows, "ssd") is None


def cells_of(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return {c[0]: c[1:] for c in ([x.strip() for x in line.split("|")[1:-1]] for line in lines)}


def test_deck_and_measured_stand_side_by_side(store, row, baselines, capsys):
    root = store(
        *baselines,
        row("finetune-0", accuracy=0.84),
        row("finetune-1", epoch=1, final=False, accuracy=0.86),
        row("finetune-1", epoch=2, accuracy=0.85),
        row("finetune-l2sp-0", epoch=1, final=False, accuracy=0.891, mia=0.49),
        row("finetune-l2sp-0", epoch=2, accuracy=0.87),
    )
    assert main([str(root), "--markdown"]) == 0
    said = capsys.readouterr().out
    cells = cells_of(said)
    assert cells["accuracy, original model"] == ["88.0", "88.0", "1"]
    assert cells["accuracy, finetune"] == ["84.1", "85.0", "2"]
    assert cells["accuracy, finetune-l2sp"] == ["85.8", "87.0", "1"]
    assert cells["accuracy, final model"] == ["88.0", "89.1", "3"]
    assert cells["MIA, final model, all test classes"] == ["0.99", "0.900", "3"]
    assert cells["MIA, final model, class-matched"] == ["0.46", "0.490", "3"]
    assert cells["final model"][:2] == ["finetune-l2sp-0", "1"]
    assert "finetune-l2sp-0 at epoch 1 beats the deck" in said
    assert "forgotten classes: 40.0 % (original 93.0 %, retrained 0.0 %)" in said
    assert "the original's own is 0.500" in said


def test_point_that_fails_on_the_test_half_does_not_beat_the_deck(store, row, baselines, capsys):
    worse = row(
        "finetune-0", accuracy=0.9, test_accuracy_retained=0.87, mia_class_matched_accuracy=0.55
    )
    assert main([str(store(*baselines, worse))]) == 0
    said = capsys.readouterr().out
    assert "does not beat the deck: retained accuracy 0.8700 < 0.8800" in said
    assert "class-matched MIA 0.550 not in .5 ± 0.03" in said
    assert "beats the deck" not in said


def test_lucky_test_half_beats_nothing_if_validation_does_not_qualify(
    store, row, baselines, capsys
):
    lucky = row("finetune-0", accuracy=0.87, test_accuracy_retained=0.95)
    assert main([str(store(*baselines, lucky))]) == 0
    said = capsys.readouterr().out
    assert "no point qualifies" in said
    assert "The deck is not beaten" in said
    assert "beats the deck" not in said


def test_without_the_original_nothing_is_chosen(store, row, capsys):
    assert main([str(store(row("finetune-0", accuracy=0.84))), "--markdown"]) == 0
    said = capsys.readouterr().out
    assert cells_of(said)["accuracy, finetune"] == ["84.1", "84.0", "1"]
    assert cells_of(said)["accuracy, final model"] == ["88.0", "—", "1"]
    assert "No final model" in said


def test_another_task_is_noted(store, row, capsys):
    assert main([str(store(row("finetune-0", task="digits-class:1")))]) == 0
    assert "digits-class:1 is not the deck's task" in capsys.readouterr().err
