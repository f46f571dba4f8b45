"""The confirmed front: its table and its figure."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from PIL import Image

from analysis.confirmed_figure import draw_confirmed
from analysis.confirmed_front import main
from orchestrator.results.confirmation.repeats import build_confirmation
from orchestrator.results.objectives import objective_named


def repeats(row, trial_id, *accuracies, **columns):
    """The rows of a trial's repeats, a seed each."""
    return [
        row(
            trial_id, accuracy=a, sweep=f"deck+seed-{s}", confirms="deck", task_seed=s, **columns
        )
        for s, a in enumerate(accuracies, start=1)
    ]  # fmt: skip


def test_means_and_intervals_over_the_seeds_beside_what_was_searched(store, row, baselines, capsys):
    root = store(
        *baselines, *repeats(row, "original", 0.86, 0.87, 0.88, epoch=baselines[0]["epoch"]),
        row("ssd-0", accuracy=0.87), *repeats(row, "ssd-0", 0.84, 0.85, 0.86),
    )  # fmt: skip
    assert main([str(root), "--markdown"]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("| ssd"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:4] == ["ssd", "ssd-0", "1", "3"]
    assert cells[4:8] == ["0.00", "0.870", "0.850 ± 0.025", "-0.020 ± 0.000"], (
        "the original is better"
    )
    assert "validation_accuracy_retained +0.020" in out
    with Image.open(root / "figures" / "confirmed_front-deck.png") as picture:
        assert len(picture.convert("RGB").getcolors(2**24)) > 50


@pytest.mark.parametrize(
    ("points", "told"), [("front", "1 point of the front, 2"), ("methods", "1 method, 2")]
)
def test_the_picture_says_which_points_it_shows(row, points, told, tmp_path, monkeypatch):
    texts = []
    monkeypatch.setattr(Figure, "savefig", lambda self, _: texts.extend(self.texts))
    rows = [row("ssd-0", confirms=None), *repeats(row, "ssd-0", 0.8, 0.81)]
    found = build_confirmation(rows, "deck", objective_named("pareto"), points)
    draw_confirmed(found, "t", tmp_path / "a.png", points)
    assert any(text.get_text().startswith(f"{told} seeds") for text in texts)


def test_a_front_that_was_not_run_again_is_said_in_one_line(store, row, capsys):
    assert main([str(store(row("ssd-0")))]) == 2
    assert "orchestrator confirm deck" in capsys.readouterr().err


def test_the_latest_sweep_is_none_that_confirms_another(store, row, capsys):
    later = row("ssd-1")["finished_at"].replace(year=2027)
    root = store(row("ssd-0"), *repeats(row, "ssd-0", 0.8, finished_at=later))
    assert main([str(root), "--markdown"]) == 0
    captured = capsys.readouterr()
    assert "deck: front on" in captured.out
    assert "the latest sweep, deck;" in captured.err
