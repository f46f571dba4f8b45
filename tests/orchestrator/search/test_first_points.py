"""What comes before the sampler: defaults, points of the shipped table, points of another sweep."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from store_sweeps import make_sweep
from study_rows import PARETO, TASK, row, stored

from benchmarks.methods.known import list_known as list_shipped
from orchestrator.config import DEFAULT_UNLEARNERS, SweepConfig
from orchestrator.search.first.known_points import FILE, find_nearest
from orchestrator.search.first.points import FirstPoint, list_first
from orchestrator.search.samplers import SAMPLERS
from orchestrator.search.study import UnlearnerStudy
from orchestrator.sweeps.stored.shown_studies import list_first_of
from orchestrator.sweeps.stored.warm_start import add_warm_points, read_best_points
from tasks.errors import InvalidValue
from tasks.search_space import search_space
from tasks.unlearners import UNLEARNERS, unlearner_class

CLASS = "digits-class:1"
QUICK = sorted(set(SAMPLERS) - {"gp"})


@pytest.mark.parametrize("unlearner", UNLEARNERS)
def test_the_first_trial_of_every_method_has_its_declared_default_as_far_as_it_is_searched(
    unlearner,
):
    cls = unlearner_class(unlearner)
    space, declared = search_space(cls), vars(cls())
    (first,) = list_first(unlearner, (), "defaults", CLASS)
    assert first.by == "default"
    assert first.values.keys() == space.keys()
    for name, value in first.values.items():
        assert value in space[name]
        assert value == declared[name] or declared[name] not in space[name]
    trial = UnlearnerStudy(unlearner, PARETO, "tpe", 0, first=[first]).ask(TASK)
    assert trial["proposed_by"] == "default"
    assert trial["params"] == cls.from_params({**cls().params, **first.values}).params


def test_a_default_outside_of_what_is_searched_is_moved_to_its_end():
    texts = ["finetune.lr=.5..0.9", "epochs=2,3", "retain_share=.5"]
    (first,) = list_first("finetune", texts, "defaults", CLASS)
    assert first.values == {"lr": 0.5, "epochs": 2}


def test_points_of_the_table_follow_and_none_that_lies_outside_of_what_is_searched():
    found = list_first("negative-gradient+", (), "table", "cifar10-class:automobile")
    assert [point.by for point in found] == ["default", "table"]
    points = json.loads(FILE.read_text())
    nearest = find_nearest("cifar10-class:automobile", [point["task"] for point in points])
    known = {(p["task"], p["unlearner"]): p["params"] for p in points}
    declared = UNLEARNERS.resolve(
        "negative-gradient+"
    )().params  # a point may be older than a hyper-parameter
    assert found[1].values.items() <= {**declared, **known[nearest, "negative-gradient+"]}.items()
    narrowed = list_first("negative-gradient+", ["lr=1e-9..1e-8"], "table", CLASS)
    assert [point.by for point in narrowed] == ["default"]
    assert list_first("negative-gradient+", (), "none", CLASS) == []


def test_the_nearest_task_has_the_same_kind_and_if_possible_the_same_data():
    known = ["cifar10-class:cat", "digits-class:1", "digits-random:0.1"]
    assert find_nearest("digits-class:3", known) == "digits-class:1"
    assert find_nearest("cifar10-class:automobile", known) == "cifar10-class:cat"
    assert (
        find_nearest("cifar10-class:cat", ["a-class:1", "cifar10-small-class:cat"])
        == "cifar10-small-class:cat"
    )
    assert find_nearest("fashion-mnist-random:0.2", known) == "digits-random:0.1"
    assert find_nearest("cifar10-random:0.1", known[:2]) is None
    assert find_nearest("folder-identity:Ann", known) is None


def test_the_shipped_points_are_what_the_table_says_and_its_choice_saw_no_test_half():
    file = FILE.parents[3] / "benchmarks" / "data" / "methods.parquet"
    rows = pq.read_table(file).to_pylist()
    assert json.loads(FILE.read_text()) == list_shipped(rows)
    blind = [{n: v for n, v in r.items() if not n.startswith("test_")} for r in rows]
    assert list_shipped(blind) == list_shipped(rows)


FIRST = [
    FirstPoint({"lr": 0.01, "epochs": 2, "retain_share": 0.5}, "default"),
    FirstPoint({"lr": 0.02, "epochs": 2, "retain_share": 0.5}, "warm-start"),
]


@pytest.mark.parametrize("sampler", QUICK)
@pytest.mark.parametrize("lost", [0, 1, 2, 4])
def test_a_resume_proposes_what_the_driver_that_died_would_have(sampler, lost):
    def run(study: UnlearnerStudy, count: int, before: int = 0) -> list:
        ended = []
        for number in range(before, before + count):
            trial = study.ask(TASK)
            rows = [row(2, accuracy=0.1 * number)]
            study.tell(trial["trial_id"], rows)
            ended.append((trial, stored(trial, rows, number)))
        return ended

    whole = run(UnlearnerStudy("finetune", PARETO, sampler, 0, first=FIRST), 5)
    by = [trial["proposed_by"] for trial, _ in whole]
    assert by == ["default", "warm-start", "sampler", "sampler", "sampler"]
    kept = [rows for _, rows in whole[:lost]]
    again = UnlearnerStudy("finetune", PARETO, sampler, 0, kept, first=FIRST)
    assert run(again, 5 - lost, lost) == whole[lost:]


def test_a_point_that_runs_or_has_failed_is_not_run_twice_and_one_cut_short_is():
    study = UnlearnerStudy("finetune", PARETO, "random", 0, first=FIRST)
    first, second = study.ask(TASK), study.ask(TASK)
    assert [first["proposed_by"], second["proposed_by"]] == ["default", "warm-start"]
    failed = stored(second, [row(0, state="failed")])
    again = UnlearnerStudy("finetune", PARETO, "random", 0, [failed], first=FIRST)
    assert again.ask(TASK) == first
    assert again.ask(TASK)["proposed_by"] == "sampler"


@pytest.mark.parametrize("sampler", QUICK)
def test_a_sampler_that_draws_a_first_point_draws_again_and_a_resume_does_the_same(sampler):
    """The shipped points were found by sweeps with this seed."""
    found = UnlearnerStudy("ssd", PARETO, sampler, 0)
    drawn = [found.ask(TASK)["params"] for _ in range(3)][1:]
    space = search_space(unlearner_class("ssd"))
    first = [FirstPoint({name: params[name] for name in space}, "table") for params in drawn]
    study = UnlearnerStudy("ssd", PARETO, sampler, 0, first=first)
    trials = [study.ask(TASK) for _ in range(5)]
    assert [trial["proposed_by"] for trial in trials] == ["table"] * 2 + ["sampler"] * 3
    assert len({json.dumps(trial["params"]) for trial in trials}) == 5
    for trial in trials:
        study.tell(trial["trial_id"], rows := [row(1, unlearner="ssd")])
    kept = [stored(trial, rows, number) for number, trial in enumerate(trials[:2])]
    again = UnlearnerStudy("ssd", PARETO, sampler, 0, kept, first=first)
    assert again.ask(TASK) == trials[2]


def test_where_hardly_anything_is_searched_a_sampler_may_repeat_a_first_point():
    texts = ["lr=1e-3", "epochs=2,3", "retain_share=.5"]
    first = [FirstPoint({"epochs": number}, "table") for number in (2, 3)]
    study = UnlearnerStudy("finetune", PARETO, "random", 0, assignments=texts, first=first)
    assert [study.ask(TASK)["params"]["epochs"] for _ in range(4)][:2] == [2, 3]


def test_a_sweep_starts_from_the_best_points_of_another(tmp_path):
    root = str(tmp_path)
    make_sweep(root, "before", [(0.9, 0.8, 0.1), (0.5, 0.2, 0.2)])
    assert read_best_points("before", root) == {"ssd": [{"selection": 10.0}]}
    asked = SweepConfig(
        task=CLASS, storage=root, warm_start="before", first="none", unlearners=("finetune", "ssd")
    )
    config = add_warm_points(asked.validate())
    (first,) = list_first_of(config, "ssd")
    assert (first.values["selection"], first.by) == (10.0, "warm-start")
    assert first.values.keys() == search_space(unlearner_class("ssd")).keys()
    assert SweepConfig.from_json(config.to_json()).warm_points == config.warm_points
    with pytest.raises(InvalidValue, match="no point of any method of this one; it has: ssd"):
        add_warm_points(SweepConfig(unlearners=("scrub",), storage=root, warm_start="before"))
    assert "ssd" not in DEFAULT_UNLEARNERS
    with pytest.raises(InvalidValue, match="no point of any method of this one; it has: ssd"):
        add_warm_points(SweepConfig(storage=root, warm_start="before"))
    with pytest.raises(InvalidValue, match="there are: before"):
        add_warm_points(SweepConfig(storage=root, warm_start="another"))


def test_an_unknown_choice_names_the_valid_ones():
    with pytest.raises(InvalidValue, match="valid: none, defaults, table"):
        SweepConfig(first="best").validate()
