"""The table of methods: what it says of rows, and how it is written."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import scipy.stats
from program import ROOT

from benchmarks.methods.__main__ import SHIPPED
from benchmarks.methods.comparison import (
    LESS_ACCURATE,
    NO,
    NOISE,
    UNKNOWN,
    YES,
    Comparison,
    Method,
    compare_methods,
)
from benchmarks.methods.defaults import propose_defaults
from benchmarks.methods.record import (
    ATTEMPT,
    NOTHING,
    RECOMMENDED,
    collect_rows,
    read_record,
    write_record,
)
from benchmarks.methods.tables import (
    BEGIN,
    END,
    escape_latex,
    insert_markdown,
    list_header,
    list_rows,
    render_latex,
)
from orchestrator.config import DEFAULT_UNLEARNERS
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.store import write_rows
from tasks.errors import InvalidValue

Row = dict[str, Any]
NAME, SEEDS = "s", (1, 2, 3)
HIDDEN = {"finetune": (0.10, 0.20, 0.15), "lfssd": (0.80, 0.95, 0.82), "ssd": (0.85, 0.92, 0.81),
          "scrub": (0.1, 0.9, 0.2), "npo": (0.2, 0.3, 0.25), "jit": (0.7, 0.8, None)}  # fmt: skip
"""Indistinguishability of each method with each fresh seed; None: the trial failed."""
ACCURACY = {"ssd": (0.2, 0.3, 0.25)}
SEARCHED = {"finetune": 0.11, "npo": 0.12}
"""In the search. The original has .1, and a step is a tenth of the way to 1."""


def row(
    method: str, hidden: float | None, seed: int = 0, accuracy: float = 0.9, **columns: Any
) -> Row:
    """A trial's last row in sweep `s`, or in the one that runs its point again with another seed."""
    measured = {} if hidden is None else {
        **dict.fromkeys(("indistinguishability", "validation_indistinguishability"), hidden),
        **dict.fromkeys(("test_accuracy_retained", "validation_accuracy_retained"), accuracy),
        "test_accuracy_forgotten": 0.1, "relative_cost": 0.02, "unlearn_seconds": 2.0, "load_seconds": 0.5,
        "evaluate_seconds": 1.0,
    }  # fmt: skip
    state = (
        {"state": "complete"}
        if hidden is not None
        else {"state": "failed", "error": "Diverged: not finite"}
    )
    return {
        "sweep": f"{NAME}+methods-seed-{seed}" if seed else NAME, "confirms": NAME if seed else None, "role": "trial",
        "trial_id": f"{method}-{seed}", "unlearner": method, "params": json.dumps({"lr": 0.1}), "epoch": 1,
        "final": True, "task": "digits-class:1", "model": "small-cnn", "references": 2, "task_seed": seed, "seed": seed,
        **state, **measured, **columns,
    }  # fmt: skip


def model(
    role: str, hidden: float, seed: int, trial_id: str | None = None, cost: float = 1.0
) -> Row:
    """A row of the original or of a reference."""
    about = {"role": role, "trial_id": trial_id or role, "relative_cost": cost, "unlearner": None}
    return row(role, hidden, seed, **about)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage root with the search and three fresh seeds: six methods, and one that only diverged."""
    rows = [row("woodfisher", None), row("jit", None, trial_id="jit-late", epoch=2)]
    for seed in (0, *SEEDS):
        rows += [model("original", 0.1, seed, cost=0.0), model("retrained", 0.940, seed),
                 model("retrained", 0.944, seed, "reference-1")]  # fmt: skip
    for method, values in HIDDEN.items():
        rows.append(row(method, SEARCHED.get(method, 0.9)))
        accuracies = ACCURACY.get(method, (0.9, 0.91, 0.9))
        rows += [row(method, *point) for point in zip(values, SEEDS, accuracies, strict=True)]
    for each in rows:
        write_rows(tmp_path / "root", each["sweep"], each["trial_id"], [each])
    return tmp_path / "root"


@pytest.fixture
def found(storage: Path, tmp_path: Path) -> Comparison:
    """What the table says of them, by way of the Parquet file."""
    write_record(collect_rows(str(storage), NAME, "pareto"), tmp_path / "methods.parquet")
    (comparison,) = compare_methods(read_record(tmp_path / "methods.parquet"))
    return comparison


def named(found: Comparison, name: str) -> Method:
    return next(method for method in found.methods if method.name == name)


def test_a_gain_over_finetune_is_paired_and_its_interval_is_student_s(found):
    gain = found.gain(named(found, "lfssd"))
    differences = [a - b for a, b in zip(HIDDEN["lfssd"], HIDDEN["finetune"], strict=True)]
    low, high = scipy.stats.t.interval(
        0.95, 2, loc=statistics.fmean(differences), scale=scipy.stats.sem(differences)
    )
    assert (gain.mean - gain.half, gain.mean + gain.half) == pytest.approx((low, high))


def test_what_does_not_beat_finetune_is_told(found):
    verdicts = {m.name: found.judge(m) for m in found.methods}
    assert verdicts == {"lfssd": YES, "ssd": LESS_ACCURATE, "scrub": NO, "npo": NOISE, "jit": YES,
                        "finetune": NO, "woodfisher": UNKNOWN}  # fmt: skip


def test_failures_are_counted_in_the_search_and_in_the_seeds(found):
    jit, none = named(found, "jit"), named(found, "woodfisher")
    assert [jit.about[c] for c in ("trials", "failed", "diverged", "pruned")] == [2, 1, 1, 0]
    assert (jit.over_seeds.tried, set(jit.over_seeds.repeats)) == ({1, 2, 3}, {1, 2})
    assert (none.about["chosen"], none.about["failed"], none.over_seeds.repeats) == (NOTHING, 1, {})
    assert jit.about["seconds_per_trial"] == 3.5
    assert jit.about["busy_seconds_per_trial"] == 2.0
    cells = {cells[0]: cells for cells in list_rows(found)}
    assert cells["jit"][2] == "2 of 3"
    assert cells["jit"][-1] == "1 of 2, 1 of them diverged"


def test_how_a_point_was_chosen_is_told(found):
    chosen = {method.name: method.about["chosen"] for method in found.methods}
    assert chosen["lfssd"] == RECOMMENDED
    assert chosen["finetune"] == chosen["npo"] == ATTEMPT
    assert any(cells[0] == "npo °" for cells in list_rows(found))


def test_references_stand_with_their_mean_and_spread(found):
    lines = [dict(zip(list_header(found), cells, strict=True)) for cells in list_rows(found)]
    shown = [line["indistinguishability"] for line in lines[:4]]
    width = find_noise_floor(
        [model("original", 0.1, 1), model("retrained", 0.940, 1), model("retrained", 0.944, 1)]
    )
    assert shown[:3] == [
        "0.100 ± 0.000",
        "0.942 ± 0.000",
        f"± {statistics.stdev([0.940, 0.944]):.3f}",
    ]
    assert shown[3] == f"± {width.width('indistinguishability'):.3f}"


def test_other_tasks_stay_in_the_file_and_the_same_one_is_replaced(storage, tmp_path):
    path, rows = tmp_path / "methods.parquet", collect_rows(str(storage), NAME, "pareto")
    write_record([{**r, "task": "digits-random:0.1"} for r in rows], path)
    write_record(rows, path)
    write_record(rows, path)
    assert len(read_record(path)) == 2 * len(rows)
    assert [c.task for c in compare_methods(read_record(path))] == [
        "digits-random:0.1",
        "digits-class:1",
    ]


def test_every_hyper_parameter_is_in_the_file(storage):
    trials = [r for r in collect_rows(str(storage), NAME, "pareto") if r["role"] == "trial"]
    assert all(json.loads(r["params"]) == {"lr": 0.1} for r in trials)


def test_the_proposed_default_set_begins_with_finetune_and_goes_by_score(found):
    proposed = propose_defaults([found])
    assert [p.method for p in proposed] == ["finetune", "lfssd", "scrub"], (
        "a fourth breaks the promise"
    )
    scores = [p.score for p in proposed[1:]]
    assert scores == sorted(scores, reverse=True)
    assert proposed[-1].seconds == pytest.approx(len(proposed) * 3.5 * 25 / 300)
    left_out = {"npo": "it was no better than the original", "jit": "it failed with a seed"}
    assert not left_out.keys() & {p.method for p in proposed}


def test_a_slow_method_or_one_that_is_missing_from_a_table_is_not_proposed(found):
    slow = dataclasses.replace(
        found,
        methods=tuple(with_seconds(m, 20.0) if m.name == "lfssd" else m for m in found.methods),
    )
    assert "lfssd" not in [p.method for p in propose_defaults([slow])]
    without = dataclasses.replace(found, methods=tuple(m for m in found.methods if m.name != "ssd"))
    assert "ssd" not in [p.method for p in propose_defaults([found, without])]
    assert propose_defaults([]) == []
    bare = dataclasses.replace(
        found, methods=tuple(m for m in found.methods if m.name != "finetune")
    )
    assert propose_defaults([bare]) == [], "there is nothing to compare with"


def with_seconds(method: Method, seconds: float) -> Method:
    return dataclasses.replace(method, about={**method.about, "seconds_per_trial": seconds})


def test_the_program_s_default_set_is_the_one_that_the_shipped_tables_propose():
    proposed = propose_defaults(compare_methods(read_record(ROOT / SHIPPED / "methods.parquet")))
    assert tuple(p.method for p in proposed) == DEFAULT_UNLEARNERS


def test_latex_is_escaped():
    assert escape_latex(r"a_b & 5 % ± {x} \ y^2 #1 $") == (
        r"a\_b \& 5 \% $\pm$ \{x\} \textbackslash{} y\textasciicircum{}2 \#1 \$"
    )


def test_each_line_of_the_latex_table_has_every_column(found):
    text = render_latex([found])
    lines = [line for line in text.splitlines() if line.endswith(r"\\") and " & " in line]
    assert len(lines) == 1 + 4 + len(found.methods)
    assert {line.replace(r"\&", "").count("&") for line in lines} == {len(list_header(found)) - 1}


def test_the_prose_around_the_tables_is_kept():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert insert_markdown(text, "new") == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"
    with pytest.raises(InvalidValue, match="lacks the lines"):
        insert_markdown("no markers", "new")
