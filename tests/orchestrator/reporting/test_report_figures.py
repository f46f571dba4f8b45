"""Figures and tables of a report's page: they show what the rows hold, and no more than was measured."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from reported import data_of, store_losses, store_sweep, write
from study_rows import PARETO

from orchestrator.reporting.page.answer import give_answer
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.hyperparameters import weigh_methods
from orchestrator.reporting.page.plot import thin_points
from orchestrator.reporting.page.tables import make_front_table
from orchestrator.results.columns import COLUMNS
from orchestrator.results.figures.values import MISSING
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import read_results
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.report.write import read_contents


def test_what_a_figure_draws_are_the_rows(store: Path) -> None:
    (plot,) = data_of(write(store, "s"))["sweeps"]
    rows = [
        r
        for r in read_results(store, "s").to_pylist()
        if r["role"] == "trial" and r["state"] != "failed"
    ]
    points = plot["points"]
    assert len(points["trial"]) == len(rows)
    drawn = {
        (plot["trials"][t]["id"], e): v
        for t, e, v in zip(
            points["trial"], points["epoch"], points["values"]["relative_cost"], strict=True
        )
    }
    assert drawn == {(r["trial_id"], r["epoch"]): pytest.approx(r["relative_cost"]) for r in rows}
    assert [m["id"] for m in plot["models"]] == [
        "original",
        "retrained",
        "reference-1",
        "reference-2",
    ]
    low, high = plot["bands"]["test_accuracy_retained"]
    assert low < 0.96 < high
    assert points["rank"].count(3) == 1
    assert [found["seeds"] for found in plot["confirmed"]] == [3] * len(plot["confirmed"]) != []


def test_of_too_many_points_the_front_and_the_last_ones_are_kept(store: Path) -> None:
    (content,) = read_contents([read_config("s", str(store))])
    points, front = content.sweep.points, content.front.front
    last = [row for row in points if row["final"]]
    needed = [row for row in points if row in front or row in last]
    kept = thin_points(content, len(needed) + 1)
    assert len(kept) == len(needed) + 1 < len(points)
    assert all(row in kept for row in needed)
    assert [row for row in thin_points(content, len(front)) if row not in front] == []
    assert thin_points(content, len(points)) == points


def test_where_no_class_is_forgotten_the_accuracy_is_that_of_the_forget_set(store: Path) -> None:
    (content,) = read_contents([read_config("s", str(store))])
    random = [
        row | {"forget_accuracy": row["test_accuracy_forgotten"], "test_accuracy_forgotten": None}
        for row in content.rows
    ]
    content = SweepContent(content.config, random, [], content.state, content.budget)
    table = make_front_table(content)
    place = [heading.help for heading in table.header].index(COLUMNS["forget_accuracy"].help)
    assert COLUMNS["test_accuracy_forgotten"].help not in {h.help for h in table.header}
    assert {line[place].text for line in table.rows} != {MISSING}
    assert "accuracy on the forget set" in {tile.heading for tile in give_answer(content).tiles}


def test_importances_and_coordinates_are_those_of_what_varied(store: Path) -> None:
    page = write(store, "s")
    (plot,) = data_of(page)["sweeps"]
    axes = {plot["methods"][c["method"]]["name"]: c["params"] for c in plot["coordinates"]}
    (lr,) = axes["finetune"]
    assert lr == {"name": "lr", "low": 0.001, "high": 0.05, "log": True}
    assert "finetune: 5 trials, a rough hint only" in page


def test_importances_of_very_many_trials_are_those_of_an_even_part(store: Path) -> None:
    (content,) = read_contents([read_config("s", str(store))])
    last = next(row for row in content.rows if row["unlearner"] == "finetune" and row["final"])
    many = [
        last
        | {"trial_id": f"finetune-{n}", "params": json.dumps({"lr": n}), "relative_cost": 0.001 * n}
        for n in range(1, 202)
    ]
    content = SweepContent(content.config, many, [], content.state, content.budget)
    (found,) = weigh_methods(content)
    assert found.note == "67 of 201 trials"
    assert found.shares == {"lr": [None, None, 1.0]}


def test_losses_are_shown_of_the_recommended_point_and_of_no_other(store: Path) -> None:
    rows = read_results(store, "s").to_pylist()
    best = recommend_point(rows, PARETO)
    assert best is not None
    assert f"orchestrator report s --storage {store} --losses" in unescape(write(store, "s"))
    store_losses(store, "s", best | {"epoch": 99})
    assert "Rows hold no losses" in write(store, "s"), "they are of another point"
    store_losses(store, "s", best)
    page = write(store, "s")
    assert re.findall(
        r"<b>(before: .*|after: .*|retrained models)</b> <span>overlap ([\d.]+)", page
    ) == [
        ("before: the original", "0.00"),
        ("after: the recommended point", "1.00"),
        ("retrained models", "1.00"),
    ]
    assert 'd="M0,110V4.0H75.0V110.0H150.0V110.0H225.0V110.0H300.0V110Z" class="gone"' in page
    (store / "sweeps" / "s" / "losses.json").write_text("{")
    assert "Rows hold no losses" in write(store, "s")


def test_robustness_is_told_where_it_was_measured(store: Path) -> None:
    page = write(store, "s")
    table = page[page.index("Less what retrained models have") :]
    table = re.sub(r"<[^>]+>", " ", table[: table.index("</section>")])
    assert re.search(r"original\s+-0.010 ± 0.000\s+3 seeds", table), (
        "of the fresh seeds, which agree"
    )
    assert "PGD" in table
    assert "FGSM" not in table.partition("Each number")[0], "nobody asked for it"


def test_several_sweeps_stand_side_by_side(store: Path) -> None:
    shutil.copytree(store_sweep(store / "other", "t") / "rows" / "t", store / "rows" / "t")
    shutil.copytree(store / "other" / "sweeps" / "t", store / "sweeps" / "t")
    page = write(store, "s", "t")
    assert "2 sweeps side by side" in page
    data = data_of(page)
    assert [s["name"] for s in data["sweeps"]] == ["s", "t"]
    assert [m["name"] for m in data["fronts"]["methods"]] == ["s", "t"]
    assert {t["method"] for t in data["fronts"]["trials"]} == {0, 1}
