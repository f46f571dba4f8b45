"""How many trials, and how many at a time: what the nodes hold, or what an autoscaling cluster is to grow to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import pytest

from orchestrator.cluster.resources import Resources
from orchestrator.config import SweepConfig
from orchestrator.sweeps.data_check import choose_task
from orchestrator.sweeps.folder import read_config, store_config
from orchestrator.sweeps.plan import resolve
from orchestrator.sweeps.stored.adopted import adopt_stored
from tasks.errors import InvalidValue
from tasks.storage.roots import open_root
from tasks.unlearners import UNLEARNERS

HEAD_ALONE = Resources(((0, 0),))
"""A head that holds no trial, of a cluster that has no workers yet."""
FLAT = """
from torch import nn


def flat(channels, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, classes))
"""
TWO_CPUS = Resources(((2, 0),))
TWO_NODES = Resources(((4, 1), (4, 1)))


def concurrent(resources: Resources, **settings: object) -> int:
    config = SweepConfig(task="digits-class:1", **settings)  # type: ignore[arg-type]
    return resolve(config, "s", resources, print).concurrent


def test_by_default_as_many_as_the_nodes_hold():
    assert concurrent(TWO_NODES, address="auto") == 8
    assert concurrent(TWO_NODES, address="auto", gpus_per_trial=0.5) == 4


def test_a_cluster_grows_to_what_was_asked_for():
    assert concurrent(HEAD_ALONE, address="auto", gpus_per_trial=0.25, max_concurrent=32) == 32
    assert concurrent(TWO_NODES, address="auto", max_concurrent=20) == 20
    assert concurrent(TWO_NODES, address="auto", max_concurrent=2) == 2


def test_this_machine_does_not_and_says_so(capsys):
    assert concurrent(TWO_NODES, address="local", max_concurrent=20) == 8
    assert capsys.readouterr().out == "NOTICE: this machine holds 8 trials at a time, not 20\n"
    assert concurrent(TWO_NODES, address="local", max_concurrent=8) == 8
    assert concurrent(TWO_NODES, address="local") == 8
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("gpus", "share", "slots"),
    [(1, 0.25, 4), (2, 0.4, 4), (8, 0.3, 24), (2, 0.6, 2), (8, 1.0, 8), (8, 2.0, 4), (3, 2.0, 1)],
)
def test_a_trials_share_lies_within_one_gpu(gpus: int, share: float, slots: int):
    assert Resources(((64, gpus),)).count_slots(1, share) == slots


def test_a_cluster_without_a_gpu_yet_says_how_to_ask_for_one(capsys):
    concurrent(HEAD_ALONE, address="auto", max_concurrent=4)
    assert "--gpus-per-trial" in capsys.readouterr().out
    concurrent(HEAD_ALONE, address="auto", max_concurrent=4, gpus_per_trial=0.0)
    concurrent(TWO_NODES, address="auto")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("sampler", "trials", "random"),
    [("nsgaii", 20, True), ("nsgaii", 21, False), ("tpe", 1, False)],
)
def test_that_a_sampler_never_gets_to_learn_is_said(capsys, sampler, trials, random):
    resolve(
        SweepConfig(task="digits-class:1", sampler=sampler, trials=trials), "s", TWO_CPUS, print
    )
    assert ("this is random search" in capsys.readouterr().out) == random


def test_a_cluster_that_holds_nothing_says_how_to_ask_for_more():
    with pytest.raises(InvalidValue, match="by --gpus-per-trial and --max-concurrent"):
        concurrent(HEAD_ALONE, address="auto")
    with pytest.raises(InvalidValue, match="no node holds a trial"):
        concurrent(HEAD_ALONE, address="local", max_concurrent=4)


@pytest.mark.parametrize(
    ("task", "cpus", "trials"),
    [
        ("digits-class:1", 1, 25),
        ("digits-class:1", 16, 50),
        ("cifar10-class:automobile", 1, 1),
        ("cifar10-class:automobile", 2, 1),
        ("cifar10-class:automobile", 8, 4),
    ],
)
def test_the_default_number_of_trials_takes_as_long_on_many_cores_as_on_few(task, cpus, trials):
    config = SweepConfig(task=task)
    assert set(budgets_of(config, cpus).values()) == {trials}
    asked = SweepConfig(task=task, trials=7)
    assert set(budgets_of(asked, cpus).values()) == {7}


def test_families_and_all_stand_for_their_methods():
    everything = SweepConfig(unlearners=("all",)).validate().unlearners
    assert set(everything) == set(UNLEARNERS) - {"retrain"}
    named = SweepConfig(unlearners=("family:finetuning", "ssd")).validate().unlearners
    assert named[-1] == "ssd"
    assert {"finetune", "finetune-l1", "finetune-l2sp"} <= set(named)
    assert all(UNLEARNERS[name].startswith("tasks.unlearners.finetuning.") for name in named[:-1])
    with pytest.raises(InvalidValue, match="did you mean finetuning"):
        SweepConfig(unlearners=("family:finetunning",)).validate()


def budgets_of(config: SweepConfig, cpus: int) -> Mapping[str, int]:
    return resolve(config, "s", Resources(((cpus, 0),)), print).budgets


def test_a_plan_leaves_nothing_open():
    plan = resolve(SweepConfig(), "s", TWO_CPUS, print)
    assert [f.name for f in dataclasses.fields(plan) if getattr(plan, f.name) is None] == []
    assert plan.private
    assert plan.trial_seconds == math.inf
    assert plan.worker_settings("0" * 16).trial_seconds is None


def test_methods_for_whole_classes_are_left_out_where_none_is_forgotten():
    said: list[str] = []
    config = SweepConfig(task="digits-random:0.1", unlearners=("unsir", "finetune"))
    assert choose_task(config, said.append).unlearners == ("finetune",)
    assert said == [
        "NOTICE: left out unsir: only for whole classes, and digits-random:0.1 forgets none"
    ]
    with pytest.raises(InvalidValue, match="only for whole classes"):
        choose_task(dataclasses.replace(config, unlearners=("unsir",)), said.append)
    whole = SweepConfig(task="digits-class:1", unlearners=("unsir",))
    assert choose_task(whole, said.append).unlearners == ("unsir",)


def test_methods_that_change_convolutions_are_left_out_where_the_model_has_none(tmp_path, monkeypatch):  # fmt: skip
    (tmp_path / "own_flat.py").write_text(FLAT)
    monkeypatch.syspath_prepend(str(tmp_path))
    said: list[str] = []
    config = SweepConfig(
        task="digits-class:1", model="own_flat:flat", unlearners=("not", "finetune", "ct")
    )
    assert choose_task(config, said.append).unlearners == ("finetune",)
    assert said == [
        "NOTICE: left out not, ct: they change convolutions, and own_flat:flat has none that learns"
    ]
    with pytest.raises(InvalidValue, match="they change convolutions"):
        choose_task(dataclasses.replace(config, unlearners=("not",)), said.append)


@pytest.mark.parametrize(
    ("task", "methods", "settings"),
    [
        ("digits-random:0.1", ("finetune", "unsir"), {"set": ("unsir.noise_lr=.1", "epochs=3")}),
        ("digits-random:0.1", ("all",), {}),
        ("digits-random:0.1", (), {"set": ("epochs=3",)}),
        ("digits-random:0.1;random:0.1", ("finetune", "unsir", "msg"), {}),
    ],
)
def test_the_same_command_goes_on_with_a_sweep_that_left_out_methods(tmp_path, task, methods, settings):  # fmt: skip
    asked = SweepConfig(
        name="s", storage=str(tmp_path), task=task, unlearners=methods, **settings
    ).validate()
    plan = resolve(choose_task(asked, lambda text: None), "s", TWO_CPUS, lambda text: None)
    store_config(plan.config, open_root(f"{tmp_path}/sweeps/s"))
    said: list[str] = []
    again = choose_task(adopt_stored(asked), said.append)
    assert (again.unlearners, again.set) == (plan.config.unlearners, plan.config.set)
    assert not [line for line in said if "left out" in line], "once is enough"
    assert adopt_stored(again) == again
    resumed = adopt_stored(read_config("s", str(tmp_path)).validate())
    assert resumed.unlearners == plan.config.unlearners
    assert SweepConfig.from_file(tmp_path / "sweeps/s/config.json").left_out == ()


def test_other_methods_than_a_sweep_has_are_refused_also_where_it_left_out_some(tmp_path):
    asked = SweepConfig(
        name="s", storage=str(tmp_path), task="digits-random:0.1", unlearners=("finetune", "unsir")
    ).validate()
    store_config(choose_task(asked, lambda text: None), open_root(f"{tmp_path}/sweeps/s"))
    for methods in (("unsir",), ("finetune", "ssd"), ("finetune", "unsir", "ssd")):
        with pytest.raises(InvalidValue, match="unlearners was"):
            adopt_stored(dataclasses.replace(asked, unlearners=methods))
