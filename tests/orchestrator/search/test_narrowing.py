"""What a sweep searches: the declared domains, or what `--set` says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from study_rows import PARETO, TASK, row, stored

from orchestrator.cli.main import app
from orchestrator.cluster.jobs import build_entrypoint
from orchestrator.config import JobConfig, SweepConfig, convert_settings
from orchestrator.search.narrowing import keep_assignments, narrow_space
from orchestrator.search.study import UnlearnerStudy
from orchestrator.sweeps.budget import budgets
from orchestrator.sweeps.confirm import complete_repeat
from orchestrator.sweeps.data_check import choose_task
from orchestrator.sweeps.folder import read_config, store_config
from orchestrator.sweeps.stages.estimate import expect_values
from orchestrator.sweeps.stored.adopted import adopt_stored
from orchestrator.sweeps.stored.named_code import list_code_of_config
from tasks.errors import InvalidValue
from tasks.search_space import Categorical, Float, Int
from tasks.storage.roots import open_root

NARROWED = ("finetune.lr=1e-3..1", "epochs=5", "momentum=.5..0.9", "mask=none,saliency")


def test_a_range_keeps_its_scale_a_value_is_fixed_and_what_is_not_searched_can_be() -> None:
    space = narrow_space("finetune", NARROWED)
    assert space.domains == {
        "lr": Float(1e-3, 1.0, log=True, above=0),
        "retain_share": Float(0.02, 1.0, log=True, above=0, most=1),
        "momentum": Float(0.5, 0.9),
        "mask": Categorical(("none", "saliency")),
    }
    assert space.fixed == {"epochs": 5}
    assert space.unstored == {"lr": 0.01, "retain_share": 1.0, "momentum": 0.9, "mask": "none"}
    assert narrow_space("ssd", ["ssd.selection=5,10,20"]).domains["selection"] == Categorical(
        (5.0, 10.0, 20.0)
    )
    assert narrow_space("pgu", ["epochs=2..30"]).domains["epochs"] == Int(2, 30, log=True, least=1)


def test_what_is_set_of_a_method_goes_before_what_is_set_of_all() -> None:
    for texts in (["finetune.lr=.5", "lr=.1"], ["lr=.1", "finetune.lr=.5"]):
        assert narrow_space("finetune", texts).fixed == {"lr": 0.5}
        assert narrow_space("scrub", texts).fixed == {"lr": 0.1}


def test_a_comma_inside_of_parentheses_parts_no_choices() -> None:
    texts = ["high=salun(lr=.1,epochs=2),finetune"]
    assert narrow_space("rum", texts).domains["high"] == Categorical(
        ("salun(lr=.1,epochs=2)", "finetune")
    )


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random"])
def test_samplers_search_what_is_stated_and_learn_from_it(sampler: str) -> None:
    study = UnlearnerStudy("finetune", PARETO, sampler, 0, assignments=NARROWED)
    finished = []
    for number in range(6):
        trial = study.ask(TASK)
        params = trial["params"]
        assert 1e-3 <= params["lr"] <= 1
        assert 0.5 <= params["momentum"] <= 0.9
        assert params["epochs"] == 5
        assert params.get("mask") in (None, "saliency")  # an option at its default is left out
        rows = [row(5, accuracy=0.1 * number)]
        study.tell(trial["trial_id"], rows)
        finished.append(stored(trial, rows, number))
    again = UnlearnerStudy("finetune", PARETO, sampler, 0, finished, assignments=NARROWED)
    assert [t.params for t in again.trials] == [t.params for t in study.trials]
    assert all(t.params.keys() == {"lr", "retain_share", "momentum", "mask"} for t in again.trials)


@pytest.mark.parametrize("ended", [(0, 1), (3,), ()])
@pytest.mark.parametrize("epochs", ["", "5", "5,10", "5..10", "10..20"])
def test_points_on_the_way_to_what_was_set_run_again_once_each(
    epochs: str, ended: tuple[int, ...]
) -> None:
    """Such a point has fewer epochs than any trial of the search. The confirmation is resumed."""
    texts = ("lr=.01,.1", f"epochs={epochs}")[: 1 + bool(epochs)]
    given = [
        {"lr": lr, "epochs": epochs, "retain_share": 1.0}
        for lr, epochs in ((0.01, 5), (0.01, 3), (0.1, 10), (0.1, 30))
    ]
    first = UnlearnerStudy("finetune", PARETO, "tpe", 0, (), given, texts)
    trials = [first.ask(TASK) for _ in given]
    assert [{n: trial["params"][n] for n in given[0]} for trial in trials] == given
    rows = [stored(trials[n], [row(1), row(2)], n) for n in ended]
    again = UnlearnerStudy("finetune", PARETO, "tpe", 0, rows, given, texts)
    left = [params for n, params in enumerate(given) if n not in ended]
    resumed = [again.ask(TASK)["params"] for _ in left]
    assert [{n: params[n] for n in given[0]} for params in resumed] == left


@pytest.mark.parametrize("ended", [0, 1])
def test_of_two_points_that_differ_in_an_option_a_resumed_confirmation_runs_the_other(
    ended: int,
) -> None:
    """Options are not searched, so that a study's trials of the two look the same."""
    plain = {"lr": 0.01, "epochs": 5, "retain_share": 1.0}
    given = [plain, {**plain, "sam": 1.0}]
    first = UnlearnerStudy("finetune", PARETO, "tpe", 0, (), given)
    trials = [first.ask(TASK) for _ in given]
    rows = [stored(trials[ended], [row(1)], ended)]
    again = UnlearnerStudy("finetune", PARETO, "tpe", 0, rows, given)
    assert again.ask(TASK)["params"].get("sam") == given[1 - ended].get("sam")


def test_a_confirmation_runs_each_given_trial_as_it_was() -> None:
    given = [
        {"lr": 0.7, "epochs": 5, "momentum": 0.5, "mask": "saliency"},
        {"lr": 0.2, "epochs": 5, "momentum": 0.8},
    ]
    given = [{"retain_share": 1.0, **params} for params in given]
    study = UnlearnerStudy("finetune", PARETO, "tpe", 0, (), given, NARROWED)
    proposed = [study.ask(TASK)["params"] for _ in given]
    assert [{n: p[n] for n in wanted} for p, wanted in zip(proposed, given, strict=True)] == given
    assert "mask" not in proposed[1]


def test_a_method_of_which_everything_is_fixed_has_one_trial() -> None:
    config = SweepConfig(
        unlearners=("ssd", "finetune"),
        trials=9,
        set=("selection=5", "dampening=1", "ssd.retain_share=1"),
    )
    assert budgets(config) == {"ssd": 1, "finetune": 9}


def test_estimates_are_of_what_is_searched() -> None:
    assert expect_values("finetune", ["epochs=2,5"])["epochs"] == 3.5
    assert expect_values("finetune", ["epochs=9"])["epochs"] == 9
    assert expect_values("finetune")["epochs"] == 5.5


def test_it_is_stored_and_a_resume_keeps_it(tmp_path: Path) -> None:
    config = SweepConfig(
        name="s",
        task="digits-class:1",
        storage=str(tmp_path),
        unlearners=("ssd",),
        set=("selection=5",),
    )
    store_config(config, open_root(f"{tmp_path}/sweeps/s"))
    assert read_config("s", str(tmp_path)).validate().set == ("selection=5",)
    again = SweepConfig(name="s", storage=str(tmp_path), unlearners=("ssd",))
    assert adopt_stored(again.validate()).set == ("selection=5",)
    with pytest.raises(InvalidValue, match=r"set was \('selection=5',\), now \('selection=6',\)"):
        adopt_stored(SweepConfig(name="s", storage=str(tmp_path), set=("selection=6",)))
    older = json.loads(config.to_json())
    del older["set"]
    assert SweepConfig.from_json(json.dumps(older)).set == ()


def test_what_is_set_of_methods_that_are_left_out_goes_with_them() -> None:
    texts = ("unsir.epochs=2", "noise_lr=.1", "epochs=3")
    assert keep_assignments(texts, ("finetune",)) == ("epochs=3",)
    config = SweepConfig(task="digits-random:.1", unlearners=("unsir", "finetune"), set=texts[2:])
    assert choose_task(config, lambda text: None).validate().set == ("epochs=3",)


def test_a_stored_assignment_is_data_and_imports_nothing() -> None:
    config = SweepConfig(
        unlearners=("rum", "json:JSONDecoder"),
        set=("high=json:JSONEncoder(lr=1)", "json:JSONDecoder.lr=1"),
    )
    assert list_code_of_config(config) == ["json:JSONDecoder", "json:JSONEncoder"]


def test_a_confirmation_takes_it_from_the_confirmed_sweep(tmp_path: Path) -> None:
    config = SweepConfig(confirms="s", seed=1, storage=str(tmp_path), set=("epochs=5",))
    base = SweepConfig(name="s", storage=str(tmp_path), unlearners=("finetune",), set=("epochs=4",))
    store_config(base, open_root(f"{tmp_path}/sweeps/s"))
    with pytest.raises(InvalidValue, match="--set cannot be given"):
        complete_repeat(config)


@pytest.mark.parametrize(
    "words",
    [
        ["--unlearners", "ssd,finetune", "--set", "ssd.selection=5,10", "--set", "epochs=5"],
        ["--unlearners", "ssd", "finetune", "--set", "ssd.selection=5,10", "epochs=5"],
    ],
)
def test_the_command_line_takes_several_at_once_or_one_after_another(words: list[str]) -> None:
    _, bound, _ = app.parse_args(["sweep", *words], exit_on_error=False, print_error=False)
    config = bound.arguments["config"]
    assert config.unlearners == ("ssd", "finetune")
    assert config.set == ("ssd.selection=5,10", "epochs=5")


def test_python_spells_values_as_they_are() -> None:
    given = {"ssd.selection": [5, 10], "epochs": 5, "lr": "1e-3..1e-2", "mixed": True}
    texts = ("ssd.selection=5,10", "epochs=5", "lr=1e-3..1e-2", "mixed=True")
    assert convert_settings({"set": given})["set"] == texts
    assert convert_settings({"set": list(texts)})["set"] == texts
    assert convert_settings({"set": "epochs=5"})["set"] == ("epochs=5",)


def test_a_job_is_sent_what_is_set() -> None:
    config = JobConfig(
        task="digits-class:1",
        storage="/s",
        unlearners=("ssd", "scrub"),
        set=("epochs=5", "selection=5,6"),
    )
    command = build_entrypoint(config)
    assert "--unlearners ssd scrub --set epochs=5 selection=5,6" in command
