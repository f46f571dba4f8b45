"""What a page says where there is little: few references, few seeds, limits that nothing meets, trials that failed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from store_sweeps import REFERENCES, make_sweep

from orchestrator.config import SweepConfig
from orchestrator.reporting.front_table import print_front
from orchestrator.reporting.page.answer import give_answer
from orchestrator.reporting.page.content import SweepContent
from orchestrator.reporting.page.plot import describe_plot
from orchestrator.reporting.page.tables import make_front_table, make_methods_table
from orchestrator.results.figures.values import MISSING
from orchestrator.sweeps.report.write import read_contents

GOOD = ((0.88, 0.65, 0.01), (0.80, 0.91, 0.23))
IDLE = ((0.9, 0.11, 0.01),)
FAILED = (None, None)


def read(root: Path, points: Any, **config: Any) -> SweepContent:
    """Store a sweep, and read what its page tells of."""
    settings = make_sweep(str(root), "s", points, config=config)
    (content,) = read_contents([settings])
    return content


def printed(config: SweepConfig) -> str:
    """What the terminal prints of a front."""
    file = io.StringIO()
    print_front(config, Console(file=file, width=200))
    return file.getvalue()


LIMIT = {"require": ("validation_accuracy_retained>=.95",)}


@pytest.mark.parametrize(
    ("points", "config", "said", "short"),
    [
        (IDLE, {}, "No point is better than the original model beyond", "does not beat the origi"),
        (GOOD, LIMIT, "No point that is better than the original model meets", "does not meet what"),
        (IDLE, LIMIT, "No point is better than the original model beyond", "does not beat the origi"),
        (FAILED, {}, "No trial gave a point.", "gave no point"),
    ],
)  # fmt: skip
def test_why_nothing_is_recommended(
    tmp_path: Path, points: Any, config: Any, said: str, short: str
) -> None:
    content = read(tmp_path, points, **config)
    answer = give_answer(content)
    assert (answer.heading, answer.commands) == ("Nothing is recommended", [])
    assert answer.sentence.startswith(said)
    assert said in printed(content.config)
    (line,) = make_methods_table(content).rows
    assert short in line[0].note


def test_a_point_that_misses_a_limit_is_marked_as_in_the_terminal(tmp_path: Path) -> None:
    table = make_front_table(read(tmp_path, GOOD, require=("validation_accuracy_retained>=.85",)))
    assert [line[0].text for line in table.rows] == ["* ssd", "! ssd"]
    assert any(note.startswith("! does not meet what is required: val") for note in table.notes)


@pytest.mark.parametrize("count", [2, 3])
def test_below_three_references_a_page_gives_no_width(tmp_path: Path, count: int) -> None:
    """With two, the interval is twelve times as wide as they are apart."""
    models = ((0.90, 0.10, 0.0), REFERENCES[:count])
    (content,) = read_contents([make_sweep(str(tmp_path), "s", GOOD, models=models)])
    names = [line[0].text for line in make_front_table(content).models]
    assert any(name.startswith("another retrain") for name in names) == (count == 3)
    tiles = [tile.retrained for tile in give_answer(content).tiles]
    assert any("±" in told for told in tiles) == (count == 3)
    assert all("another retrain ±" in told for told in tiles if "±" in told)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_below_three_seeds_a_page_gives_no_interval(tmp_path: Path, seeds: int) -> None:
    content = read(tmp_path, GOOD)
    for seed in range(1, seeds + 1):
        points = [(a - seed / 100, h, c) for a, h, c in GOOD]
        again = {"confirms": "s", "seed": seed}
        make_sweep(str(tmp_path), f"s+seed-{seed}", points, config=again, task_seed=seed)
    (content,) = read_contents([content.config])
    drawn = [f["values"]["test_accuracy_retained"] for f in describe_plot(content)["confirmed"]]
    assert {len(values) for values in drawn} == {3 if seeds > 2 else 1}
    (said,) = [text for text in give_answer(content).cautions if "Run again with" in text]
    assert ("interval" in said) == (seeds > 2)
    assert f"with {seeds} fresh seed{'s' * (seeds > 1)}," in said
    (line,) = make_methods_table(content).rows
    assert sum(f"{seeds} seed{'s' * (seeds > 1)}: " in cell.note for cell in line) > 1
    assert MISSING not in line[0].text
