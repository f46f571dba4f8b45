"""What a table may come to show is measured whole, in whatever order trials end."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from workers import answer, settings

from orchestrator.execution.searcher import StudySearch
from orchestrator.results.noise import find_noise_floor
from orchestrator.results.objectives import STEERING, FrontRule, front_rows, objective_named
from orchestrator.results.recommendation import choose_of_each_method
from orchestrator.results.store import read_results
from orchestrator.search.study import UnlearnerStudy
from orchestrator.worker.early_stopping import Limits
from orchestrator.worker.known_front import KNOWN, NOTHING
from orchestrator.worker.settings import WorkerSettings, get_workbench
from tasks.problem import Problem
from tasks.references import use_references
from tasks.unlearners.finetuning.finetune import Finetune

AIMS = ("pareto", f"pareto,{STEERING[0]}>=0.5", "score", "accuracy", "time")
Row = dict[str, Any]


def row(
    method: str, number: int, epoch: int, values: tuple[float, float, float], **more: Any
) -> Row:
    known = dict(zip((*STEERING, "relative_cost"), values, strict=True))
    return {
        "sweep": "s", "role": "trial", "unlearner": method, "trial_id": f"{method}-{number}", "epoch": epoch,
        "state": "complete", "final": False, **known, **more,
    }  # fmt: skip


MODELS = [
    row("x", 0, 0, (0.75, 0.25, 0.0), role="original"),
    row("x", 1, 0, (0.75, 1.0, 1.0), role="retrained"),
    row("x", 2, 0, (0.8, 0.95, 1.0), role="retrained"),
]
share = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
points = st.lists(st.tuples(share, share, share), min_size=1, max_size=4)
trials = st.lists(st.tuples(st.sampled_from("ab"), points), max_size=6)


def test_the_row_of_a_trial_that_crashed_changes_nothing() -> None:
    """Its worker died: the row says why, and has no metric."""
    crashed = {"trial_id": "a-0", "unlearner": "a", "state": "failed", "error": "it died"}
    assert NOTHING.join([crashed], FrontRule.of(objective_named("pareto"), None)) is NOTHING


@examples(max_examples=300)
@given(trials, st.sampled_from(AIMS), st.booleans(), st.data())
def test_no_table_shows_a_point_that_was_not_measured_whole(found, aim, judged, data) -> None:
    """Several trials at a time know less than all that end before them: here any part of it."""
    objective = objective_named(aim)
    models = MODELS if judged else []
    rule = FrontRule.of(objective, find_noise_floor(models))
    rows: list[Row] = []
    wanted: list[Row] = []
    ended: dict[str, list[list[Row]]] = {"a": [], "b": []}
    for number, (method, gained) in enumerate(found):
        told = data.draw(st.integers(0, len(ended[method])))
        known = NOTHING
        for earlier in ended[method][:told]:
            known = known.join(earlier, rule)
        mine = [row(method, number, epoch, values) for epoch, values in enumerate(gained, 1)]
        for point in mine:
            wanted += [point] if known.is_wanted(point, rule) else []
            known = known.join([point], rule)
        ended[method].append(mine)
        rows += mine
    for shown in (
        *front_rows([*models, *rows], objective),
        *choose_of_each_method([*models, *rows], objective),
    ):
        assert shown in wanted


def test_a_known_front_is_shared_and_short_in_the_names_of_trials() -> None:
    rule = FrontRule.of(objective_named("pareto"), None)
    known = NOTHING.join([row("a", 0, 1, (0.5, 0.5, 0.5))], rule)
    assert copy.deepcopy({"x": known})["x"] is known
    assert pickle.loads(pickle.dumps(known)) == known
    assert repr(known) == "KnownFront(1)"
    assert known.join([row("a", 1, 1, (0.5, 0.5, 0.5))], rule) is known, "nothing new"


def test_a_worker_is_told_the_front_of_its_trials_method() -> None:
    objective = objective_named("pareto")
    rule = FrontRule.of(objective, None)
    study = UnlearnerStudy("ssd", objective, "random", 0)
    search = StudySearch([study], {"ssd": 3}, "task", lambda trial: [], rule=rule)
    first = search.suggest("tune-a")
    assert first[KNOWN] is NOTHING
    rows = [row("ssd", 0, 1, (0.5, 0.5, 0.5), unlearn_seconds=1.0, error=None)]
    search.on_trial_complete("tune-a", {"trial": first["trial_id"], "rows": rows})
    assert search.suggest("tune-b")[KNOWN] == NOTHING.join(rows, rule)
    plain = StudySearch([study], {"ssd": 1}, "task", lambda trial: [])
    assert KNOWN not in plain.suggest("tune-c")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> WorkerSettings:
    """A worker's settings, over a storage with the original and two references."""
    known = settings(tmp_path_factory.mktemp("storage"))
    use_references(get_workbench(known, 1), 2)
    return known


@dataclass(frozen=True)
class EarlyEnd(Finetune):
    """Ends after two of its epochs."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields twice."""
        yield from itertools.islice(super().unlearn(problem), 2)


def work(
    here: WorkerSettings, limits: Limits, known: Any, method: str = "finetune", **params: Any
) -> list[Row]:
    trial = {
        "trial_id": json.dumps([method, params]),
        "unlearner": method,
        "params": params,
        "seed": 0,
    }
    rule = FrontRule(objective_named("pareto"))
    answer(here, [{**trial, KNOWN: known}], limits, rule)
    rows = read_results(here.storage, "s").to_pylist()
    return [r for r in rows if r["trial_id"] == trial["trial_id"]]


def test_rows_say_what_was_measured_and_the_last_of_a_pruned_trial_is_whole(here) -> None:
    unbeaten = NOTHING.join(
        [row("finetune", 9, 1, (1.0, 1.0, 0.0))], FrontRule(objective_named("pareto"))
    )
    rows = work(here, Limits(cost=100.0), unbeaten, epochs=3, retain_share=0.1)
    assert [r["measured"] for r in rows] == ["steering", "steering", "all"]
    assert [r["test_accuracy"] is None for r in rows] == [True, True, False]
    assert all(r["validation_accuracy"] is not None for r in rows)
    alone = work(here, Limits(cost=100.0), NOTHING, epochs=2, retain_share=0.11)
    assert alone[0]["measured"] == "all", "nothing is known that dominates it"
    ends = work(here, Limits(cost=rows[1]["relative_cost"]), unbeaten, epochs=4, retain_share=0.1)
    assert [r["state"] for r in ends] == ["pruned", "pruned"]
    assert [r["measured"] for r in ends] == ["steering", "all"]


def test_a_method_that_ends_early_has_one_row_an_epoch_and_the_last_is_whole(here) -> None:
    unbeaten = NOTHING.join(
        [row("finetune", 9, 1, (1.0, 1.0, 0.0))], FrontRule(objective_named("pareto"))
    )
    name = f"{EarlyEnd.__module__}:{EarlyEnd.__qualname__}"
    rows = work(here, Limits(cost=100.0), unbeaten, name, epochs=4, retain_share=0.1)
    assert [(r["epoch"], r["measured"], r["final"]) for r in rows] == [
        (1, "steering", False),
        (2, "all", True),
    ]


def test_a_trial_that_diverges_keeps_what_was_measured_of_its_points(here) -> None:
    unbeaten = NOTHING.join(
        [row("finetune", 9, 1, (1.0, 1.0, 0.0))], FrontRule(objective_named("pareto"))
    )
    rows = work(here, Limits(cost=100.0), unbeaten, epochs=3, retain_share=0.1, lr=1e30)
    assert rows[-1]["state"] == "failed"
    assert rows[-1]["measured"] is None
