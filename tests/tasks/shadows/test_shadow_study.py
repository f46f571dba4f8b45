"""Shadow models on few digits: the design is trained once, goes on after a kill, and its attacks are sane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.errors import InvalidValue
from tasks.evaluation import list_of_shadows
from tasks.evaluation.shadows.incidence import IN, OUT, UNLEARN
from tasks.evaluation.shadows.outputs import Shadows
from tasks.problem import Problem
from tasks.references import use_references
from tasks.roles import list_further_roles
from tasks.scoring.memorisation import measure_memorisation
from tasks.shadows.limits import can_study, check_study, list_unhalved
from tasks.shadows.models import drop_weights, find_key, is_stored, train
from tasks.shadows.study import load_roles, make_shadows
from tasks.task import Task
from tasks.unlearners import unlearner_class
from tasks.unlearners.base import Unlearner
from tasks.workbench import Workbench

CPU = torch.device("cpu")
MODELS = 8


@dataclass(frozen=True)
class Nothing(Unlearner):
    """Leave the model as it is."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class TooMuch(Unlearner):
    """Climb the forget set's loss, far beyond what a model that never saw it has."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        x, y = problem.forget.take(torch.arange(len(problem.forget)))
        optimizer = torch.optim.SGD(problem.model.parameters(), lr=0.05)
        for _ in range(15):
            optimizer.zero_grad()
            (-F.cross_entropy(problem.model(x), y).clamp(max=12)).backward()
            optimizer.step()
        yield


@pytest.fixture(scope="module")
def few(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A random tenth of 300 digits is forgotten; four references."""
    train = LabelledImages(digits.train.images[:300], digits.train.labels[:300])
    small = replace(digits, train=train)
    task = Task.named("digits-random:0.1")
    bench = Workbench(task, small, tmp_path_factory.mktemp("artifacts"), CPU)
    use_references(bench, 4)
    return bench


def judge(bench: Workbench, unlearner: Unlearner) -> tuple[Shadows, dict[str, float | None]]:
    shadows = make_shadows(bench, unlearner, 0, MODELS)
    model = bench.model(bench.artifact("original"))[0]
    return shadows, bench.evaluate(model, asked=list_of_shadows(), shadows=shadows)


def test_a_method_that_does_nothing_leaves_what_lira_finds_in_the_original(few: Workbench) -> None:
    shadows, found = judge(few, Nothing())
    roles = shadows.roles
    assert roles.before.shape == roles.after.shape == (MODELS, 30)
    np.testing.assert_array_equal(roles.before, roles.after)
    assert {(roles.roles == role).sum() for role in (OUT, IN)} == {MODELS * 30 / 4}
    assert (roles.roles == UNLEARN).sum() == MODELS * 30 / 2
    assert found["u_lira_offline_auc"] == pytest.approx(found["lira_original_auc"], abs=0.1)
    assert found["ruli_efficacy_auc"] == found["u_lira_offline_auc"]
    assert found["lira_original_auc"] > 0.6, "300 digits are memorised"  # type: ignore[operator]
    memorised = measure_memorisation(roles.correct, roles.roles != OUT)
    assert found["mean_memorisation"] == pytest.approx(memorised.mean())
    assert abs(memorised.mean()) < 0.1, (
        "digits are easy: who never saw one gets it right all the same"
    )
    low, high = found["u_lira_auc_low"], found["u_lira_auc_high"]
    assert low < found["u_lira_auc"] < high  # type: ignore[operator]
    assert found["u_lira_tpr_1_percent"] is None, "60 pairs cannot show 1 %"
    assert roles.population.shape == (MODELS, len(few.validation_images))
    assert found["rmia_online_auc"] > 0.55  # type: ignore[operator]
    assert 0 < found["swap_advantage"] < 1  # type: ignore[operator]


def test_over_unlearning_is_found_and_told_from_too_little(few: Workbench) -> None:
    _, found = judge(few, TooMuch())
    assert found["u_lira_offline_auc"] < 0.5  # type: ignore[operator]
    assert found["ruli_efficacy_auc"] < 0.35  # type: ignore[operator]
    assert found["rmia_online_auc"] < 0.5  # type: ignore[operator]
    assert found["swap_advantage"] > 0  # type: ignore[operator]
    assert found["klom_mean"] > found["klom_floor"]  # type: ignore[operator]
    assert found["klom_95"] >= found["klom_mean"]  # type: ignore[operator]
    assert found["forgetting_quality"] is None, "two models on a side tell nothing by it"


def test_two_references_leave_metrics_over_seeds_null_and_no_others(few: Workbench) -> None:
    """All were null once: the models were trained, and no method was judged by them."""
    asked = list_of_shadows()
    again = Workbench(few.task, few.dataset, few.cache.root, CPU)
    use_references(again, 2)
    _, found = judge(again, Nothing())
    unhalved = {*list_unhalved(asked, 2)}
    assert unhalved == {n for n in asked if n.startswith(("klom", "forgetting_quality"))}
    assert all((found[name] is None) == (name in unhalved) for name in asked if "tpr" not in name)
    assert len(list_further_roles({"shadows", "repeats"}, MODELS, 2)) == MODELS
    assert {*list_unhalved(asked, 4)} == {"forgetting_quality", "forgetting_quality_null"}
    assert list_unhalved(asked, 6) == []


def test_a_method_for_whole_classes_is_judged_over_seeds_alone(few: Workbench) -> None:
    @dataclass(frozen=True)
    class Classes(Nothing):
        class_forgetting: ClassVar[bool] = True

    shadows, found = judge(few, Classes())
    assert shadows.roles is None
    assert found["u_lira_auc"] is None
    assert found["klom_mean"] is not None


def test_what_is_stored_is_neither_trained_nor_unlearned_again(
    few: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_roles(few, Nothing(), 0, MODELS, lambda *_: None)
    again = Workbench(few.task, few.dataset, few.cache.root, CPU)
    told: list[str] = []
    monkeypatch.setattr(Nothing, "unlearn", None)
    second = load_roles(again, Nothing(), 0, MODELS, lambda what, *_: told.append(what))
    assert told == []
    np.testing.assert_array_equal(first.after, second.after)


def test_what_shadow_models_cannot_judge_is_refused_first() -> None:
    plain = unlearner_class("finetune")()
    check_study(plain, {"outputs"}, models=3, references=0)
    assert can_study(plain, {"shadows"}, models=16, references=2)
    assert not can_study(unlearner_class("amnesiac")(), {"repeats"}, models=16, references=8)
    with pytest.raises(InvalidValue, match="3 shadow models: valid are multiples of 4"):
        check_study(plain, {"shadows"}, models=3, references=0)
    with pytest.raises(InvalidValue, match=r"2 references: .* valid: 4 or more"):
        check_study(plain, {"repeats"}, models=16, references=2)
    with pytest.raises(InvalidValue, match="needs update_log of the original's training"):
        check_study(unlearner_class("amnesiac")(), {"repeats"}, models=16, references=8)


def test_without_weights_what_was_said_is_enough_and_only_a_new_method_trains_again(
    few: Workbench,
) -> None:
    roles = list_further_roles({"shadows"}, MODELS, 4)
    first = load_roles(few, Nothing(), 0, MODELS, lambda *_: None)
    assert all(is_stored(few, role, MODELS) for role in roles)
    assert drop_weights(few, roles, MODELS) == MODELS
    assert drop_weights(few, roles, MODELS) == 0
    told: list[str] = []
    second = load_roles(few, Nothing(), 0, MODELS, lambda what, *_: told.append(what))
    assert told == []
    np.testing.assert_array_equal(first.population, second.population)
    artifact = train(few, roles[0], MODELS, lambda what, *_: told.append(what))
    assert {*told} == {"shadow-0 model"}
    assert artifact.key == find_key(few, roles[0], MODELS)


def test_the_design_is_of_the_original_not_of_what_is_forgotten(few: Workbench) -> None:
    """Two forget sets of one size once shared models by their key that were trained on other examples."""
    other = Workbench(Task.named("digits-class:3"), few.dataset, few.cache.root, CPU)
    assert find_key(other, "shadow-1", MODELS) == find_key(few, "shadow-1", MODELS)
    np.testing.assert_array_equal(other.trained_before.indices, few.trained_before.indices)
    assert find_key(few, "shadow-1", MODELS) != find_key(few, "shadow-1", 2 * MODELS)
