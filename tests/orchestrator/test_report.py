"""`orchestrator report`: one page that holds the answer, and shows text from rows as text."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from reported import EVIL, store_losses, store_sweep
from setuptools.config.pyprojecttoml import apply_configuration
from setuptools.dist import Distribution

import orchestrator
from orchestrator.cli.main import main
from orchestrator.config.spelling import PROGRAM
from orchestrator.reporting.page.answer import give_answer
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.hyperparameters import weigh_methods
from orchestrator.reporting.page.plot import thin_points
from orchestrator.reporting.page.render import TEMPLATES, embed_json
from orchestrator.reporting.page.tables import make_front_table
from orchestrator.reporting.recommended import spell_run
from orchestrator.results.columns import COLUMNS
from orchestrator.results.figures.values import MISSING
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import read_results
from orchestrator.sweeps.folder import read_config
from orchestrator.sweeps.report.write import read_contents

PARETO = OBJECTIVES["pareto"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A storage root with a made-up sweep `s`, of which three fresh seeds are known."""
    return store_sweep(tmp_path / "storage", "s", confirmed=True)


def write(store: Path, *names: str) -> str:
    """The page of these sweeps."""
    return orchestrator.report(*names, storage=store, output=store / "page.html").read_text()


def data_of(page: str) -> Any:
    """What the page gives its scripts."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def test_the_answer_is_that_of_the_terminal_with_its_commands(store: Path) -> None:
    rows = read_results(store, "s").to_pylist()
    best = recommend_point(rows, PARETO)
    assert best is not None
    page = write(store, "s")
    text = unescape(re.sub(r"<[^>]+>", " ", page))
    assert f"Recommended: {best['unlearner']}, epoch {best['epoch']}" in text
    assert f"an accuracy of {100 * best['test_accuracy_retained']:.1f} %" in text
    assert "the original 95.0 %, retrained models 96.0 %" in text
    assert spell_run(read_config("s", str(store)), best, PROGRAM) in text
    assert f"orchestrator export s --storage {store} --output model.safetensors" in text
    assert "Run again with 3 fresh seeds" in text
    assert "1 trials failed" in text


def test_without_a_confirmation_the_page_says_that_the_best_flatters(tmp_path: Path) -> None:
    page = write(store_sweep(tmp_path, "s"), "s")
    assert "the best of many flatters" in page
    assert "With fresh seeds" not in page


def test_the_page_asks_for_nothing_and_nothing_in_it_can(store: Path) -> None:
    page = write(store, "s")
    assert re.findall(r'\b(?:src|href)="(?!#|data:)', page) == []
    assert "default-src 'none'" in page
    assert len(page) < 500_000


def test_text_from_rows_is_text_in_the_page_and_in_its_data(store: Path) -> None:
    page = write(store, "s")
    assert EVIL not in page
    assert page.count("<script") == page.count("</script>") == 2
    assert EVIL in unescape(page), "the reason of a failure is told"
    (trial,) = [t for t in data_of(page)["sweeps"][0]["trials"] if EVIL in t["params"].values()]
    assert trial["id"] == "ssd-1"


@pytest.mark.parametrize("text", ["</script>", "<!--", "&lt;", "\u2028", "<script>", "]]>"])
def test_no_text_ends_the_element_that_holds_the_data(text: str) -> None:
    embedded = str(embed_json({text: [text]}))
    assert json.loads(embedded) == {text: [text]}
    assert not set("<>&\u2028") & set(embedded)


def test_an_escape_sequence_in_a_row_is_spelt_out(tmp_path: Path) -> None:
    page = write(store_sweep(tmp_path, "s", reason="\x1b[2J\u202egone"), "s")
    assert "\\x1b[2J\\u202egone" in page
    assert not {"\x1b", "\u202e"} & set(page)


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


@pytest.mark.parametrize(("file", "begins"), [("f.png", b"\x89PNG"), ("f.pdf", b"%PDF-")])
def test_the_front_is_a_picture_for_a_paper(store: Path, file: str, begins: bytes) -> None:
    path = orchestrator.report("s", storage=store, output=store / file)
    assert path.read_bytes().startswith(begins)


def test_the_methods_are_a_table_for_a_paper(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--storage", str(store), "--output", str(store / "t.tex")]
    assert main(["report", "s", *where]) == 0
    assert capsys.readouterr().out == f"{store}/t.tex: 1 kB\n"
    lines = (store / "t.tex").read_text().splitlines()
    assert "tabular" in lines[3]
    body = [line for line in lines if line.endswith(r"\\")]
    assert {line.count("&") for line in body} == {8}
    (finetune,) = [line for line in body if line.startswith("finetune")]
    assert r"3 seeds: 0.920 $\pm$" in finetune, "with its interval"
    assert not re.search(r"(?<!\\)[%_#]", "\n".join(body)), "text is escaped"


def test_several_sweeps_stand_side_by_side(store: Path) -> None:
    shutil.copytree(store_sweep(store / "other", "t") / "rows" / "t", store / "rows" / "t")
    shutil.copytree(store / "other" / "sweeps" / "t", store / "sweeps" / "t")
    page = write(store, "s", "t")
    assert "2 sweeps side by side" in page
    data = data_of(page)
    assert [s["name"] for s in data["sweeps"]] == ["s", "t"]
    assert [m["name"] for m in data["fronts"]["methods"]] == ["s", "t"]
    assert {t["method"] for t in data["fronts"]["trials"]} == {0, 1}


def test_a_sweep_without_rows_has_a_page_that_says_so(tmp_path: Path) -> None:
    root = store_sweep(tmp_path, "s", rows=False)
    assert "No trial has been measured yet." in write(root, "s")


def test_watching_a_sweep_that_nobody_runs_ends_at_once(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--storage", str(store), "--output", str(store / "live.html")]
    assert main(["report", "s", "--watch", *where]) == 0
    assert capsys.readouterr().out == f"{store}/live.html: {len(read_results(store, 's'))} rows\n"
    assert data_of((store / "live.html").read_text())["refresh"] is None


def test_a_link_in_the_place_of_a_page_is_replaced_and_not_followed(store: Path) -> None:
    (other := store / "other.txt").write_text("precious")
    for name in ("page.html", ".page.html.part"):
        (store / name).symlink_to(other)
    where = ["--storage", str(store), "--output", str(store / "page.html")]
    assert main(["report", "s", *where]) == 0
    assert other.read_text() == "precious"
    assert not (store / "page.html").is_symlink()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["sweep-9"], "there are: s"),
        ([], "orchestrator report NAME"),
        (["s", "s"], "twice"),
        (["s", "--output", "page.txt"], ".html or .png or .pdf or .tex"),
        (["s", "t", "--output", "page.pdf"], "is of one sweep"),
        (["s", "--output", "/no/such/folder/page.html"], "/no/such/folder"),
    ],
)
def test_bad_input_is_one_line(
    store: Path, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments, "--storage", str(store)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_the_templates_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(orchestrator.__file__).parents[1]
    monkeypatch.chdir(root)
    packing = apply_configuration(Distribution(), root / "pyproject.toml").get_command_obj(
        "build_py"
    )
    packing.ensure_finalized()
    (packed,) = [
        set(names)
        for package, _, _, names in packing.get_data_files_without_manifest()
        if package.endswith(".page")
    ]
    assert packed == {f"template/{file.name}" for file in TEMPLATES.iterdir()}
    assert len(packed) > 5


def test_the_page_of_a_real_sweep(trained: Path, tmp_path: Path) -> None:
    path = orchestrator.report("first", storage=trained, output=tmp_path / "page.html")
    said = (trained / "first.log").read_text()
    recommended = re.search(r"\* recommended: (\S+)-\w+ at epoch (\d+)", said)
    heading = (
        f"Recommended: {recommended[1]}, epoch {recommended[2]}"
        if recommended
        else "Nothing is recommended"
    )
    assert heading in path.read_text()
    assert path.stat().st_size < 500_000
