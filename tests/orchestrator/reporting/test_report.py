"""`orchestrator report`: one page that holds the answer, and shows text from rows as text."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from threading import Timer

import pytest
from reported import EVIL, data_of, store_sweep, write
from setuptools.config.pyprojecttoml import apply_configuration
from setuptools.dist import Distribution
from store_sweeps import make_sweep
from study_rows import PARETO

import orchestrator
from orchestrator.cli.main import main
from orchestrator.config.spelling import PROGRAM
from orchestrator.reporting.page.render import TEMPLATES, embed_json
from orchestrator.reporting.recommended import spell_run
from orchestrator.results.recommendation import recommend_point
from orchestrator.results.store import read_results, write_rows
from orchestrator.sweeps.folder import hold_sweep, read_config
from orchestrator.sweeps.report import write as writing
from orchestrator.sweeps.report.write import watch_report


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
    assert "1 trial failed" in text


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
    assert "tabular" in lines[4]
    body = [line for line in lines if line.endswith(r"\\")]
    assert {line.count("&") for line in body} == {8}
    (finetune,) = [line for line in body if line.startswith("finetune")]
    assert r"3 seeds: 0.920 $\pm$" in finetune, "with its interval"
    assert not re.search(r"(?<!\\)[%_#]", "\n".join(body)), "text is escaped"


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


@pytest.mark.parametrize(
    ("watched", "grown"), [("s", "s"), ("s+seed-1", "s+seed-1"), ("s", "s+seed-1"), ("s", "mine")]
)
def test_the_page_of_a_running_sweep_has_each_new_row(
    tmp_path: Path, watched: str, grown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plus in its name is that of a confirmation, which may have any other name too."""
    root, page = str(tmp_path), tmp_path / "live.html"
    plan = {"trials": 9, "budgets": {"ssd": 9}}
    for name, seed, of in (("s", 0, None), ("s+seed-1", 1, "s"), ("mine", 2, "s")):
        settings = {**plan, "confirms": of, "seed": seed}
        make_sweep(root, name, [(0.8, 0.6, 0.1)], config=settings, task_seed=seed)
    monkeypatch.setattr(writing, "EVERY_SECONDS", 0.01)
    held, refreshed = ExitStack(), []

    def grow(said: str) -> None:
        refreshed.append(data_of(page.read_text())["refresh"])
        if len(refreshed) == 1:
            known = next(row for row in read_results(root, grown).to_pylist() if row["final"])
            write_rows(root, grown, "new", [known | {"trial_id": "ssd-9", "trial_key": "new"}])
        else:
            held.close()

    late = Timer(60, held.close)  # ends a watch that sees nothing
    with held:
        held.enter_context(hold_sweep(watched, root, pytest.fail))
        late.start()
        watch_report([watched], root, page, grow)
    late.cancel()
    assert [bool(seconds) for seconds in refreshed] == [True, True, False]


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
