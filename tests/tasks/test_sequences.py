"""Requests that follow one another: what each may see, where it starts, and the known answers of a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from orchestrator.results.sequences.matrix import ForgettingMatrix
from orchestrator.results.sequences.stages import make_matrix
from tasks.artifacts import Artifact
from tasks.datasets.dataset import Dataset
from tasks.errors import InvalidValue
from tasks.problem import Problem
from tasks.references import use_references
from tasks.roles import ORIGINAL, RETRAINED
from tasks.sequences.course import Stage, run_requests, run_whole
from tasks.sequences.groups import CORE, list_groups
from tasks.sequences.suitability import check_method, find_traits
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners import unlearner_class
from tasks.unlearners.base import Unlearner
from tasks.unlearners.exact.retrain import Retrain
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.workbench import Workbench

HERE = "float32", "cpu"
CPU = torch.device("cpu")
THREE = "digits-class:1;class:7;random:0.05"
SEEN: list[tuple[Problem, dict[str, torch.Tensor], dict[str, torch.Tensor]]] = []
"""The problem of each request that Shift met, the weights of its teacher, and those that it left."""


@dataclass(frozen=True)
class Idle(Unlearner):
    """The identity: leaves the model as it is."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class Shift(Unlearner):
    """Moves every weight a little, and notes what it was given."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        teacher = {n: t.clone() for n, t in problem.original().state_dict().items()}
        with torch.no_grad():
            for weight in problem.model.parameters():
                weight.add_(0.001)
        left = {n: t.clone() for n, t in problem.model.state_dict().items()}
        SEEN.append((problem, teacher, left))
        yield


def follow(
    name: str, method: Unlearner, bench: Workbench, digits: Dataset, references: int = 0
) -> list[Stage]:
    """Run a sequence on the models of another bench's cache."""

    def open_bench(task: Task, start: Artifact | None) -> Workbench:
        return Workbench(task, digits, bench.cache.root, CPU, start=start)

    return list(run_requests(Task.named(name), digits, open_bench, method, 0, references))


def matrix_of(stages: list[Stage], digits: Dataset) -> ForgettingMatrix:
    """The accuracy matrix of a sequence."""
    groups = [group.name for group in list_groups(stages[0].task, digits)]
    return make_matrix("some", groups, stages)


@pytest.fixture(scope="module")
def retrained(bench: Workbench, digits: Dataset) -> list[Stage]:
    """Two requests, each answered by a retrain."""
    return follow("digits-class:1;class:7", Retrain(), bench, digits, references=2)


def test_the_retain_split_shrinks_and_no_request_sees_what_is_gone(digits: Dataset) -> None:
    steps = [task.find_step(digits) for task in Task.named(THREE).steps()]
    labels = digits.train.labels
    assert np.array_equal(steps[0].forget, labels == 1)
    assert np.array_equal(steps[1].forget, labels == 7)
    left = np.isin(labels, [1, 7], invert=True)
    assert steps[2].forget.sum() == round(0.05 * left.sum())
    removed = np.zeros(len(labels), bool)
    for step in steps:
        assert not (removed & (step.before | step.forget | step.retain)).any()
        assert np.array_equal(step.retain, step.before & ~step.forget)
        removed |= step.forget
    assert [task.gone_before(digits) for task in Task.named(THREE).steps()] == [(), (1,), (1, 7)]


def test_two_draws_of_one_kind_are_different_examples(digits: Dataset) -> None:
    first, second = (t.find_step(digits) for t in Task.named("digits-random:.1;random:.1").steps())
    assert not (first.forget & second.forget).any()
    ranks = [
        np.searchsorted(np.flatnonzero(s.before), np.flatnonzero(s.forget)) for s in (first, second)
    ]
    assert len(set(ranks[0]) & set(ranks[1])) < len(ranks[1]) / 2


def test_files_name_positions_of_the_stored_data(digits: Dataset, tmp_path: object) -> None:
    scores = np.arange(len(digits.train)) * 1.0
    np.save(f"{tmp_path}/list.npy", np.flatnonzero(digits.train.labels == 7)[:40])
    np.save(f"{tmp_path}/scores.npy", scores)
    spec = f"digits-class:1;index:{tmp_path}/list.npy;scores:{tmp_path}/scores.npy:top:30"
    _, listed, ranked = (task.find_step(digits) for task in Task.named(spec).steps())
    assert np.array_equal(np.flatnonzero(listed.forget), np.load(f"{tmp_path}/list.npy"))
    assert np.array_equal(np.flatnonzero(ranked.forget), np.flatnonzero(ranked.before)[-30:])
    with pytest.raises(
        InvalidValue, match="request 2 of 2: earlier requests have removed 40 of its 40"
    ):
        Task.named(f"digits-class:7;index:{tmp_path}/list.npy").timeline(digits)


def test_keys_say_what_is_left_not_how_it_was_asked(digits: Dataset) -> None:
    single, both = Task.named("digits-class:1"), Task.named("digits-class:1+7")
    first, second = Task.named("digits-class:1;class:7").steps()
    other, _ = Task.named("digits-class:7;class:1").steps()
    assert first.key(digits) == single.key(digits)
    assert first.original_key(digits, *HERE) == single.original_key(digits, *HERE)
    assert first.retrained_key(digits, *HERE) == single.retrained_key(digits, *HERE)
    assert second.retrained_key(digits, *HERE) == both.retrained_key(digits, *HERE)
    seven = Task.named("digits-class:7")
    keys = {task.key(digits) for task in (single, both, second, other, seven)}
    assert len(keys) == 4, "the first request of a sequence alone is a single one"


def test_a_sequence_of_one_is_the_single_request(
    bench: Workbench, digits: Dataset, retrained: list[Stage]
) -> None:
    """And the first request of a longer one too: bit for bit, its references included."""
    alone = Workbench(bench.task, digits, bench.cache.root, CPU)
    use_references(alone, 2)
    method = Finetune(epochs=1, retain_share=0.1)
    *_, point = run_trial(alone, method, 0)
    (one,) = follow("digits-class:1", method, bench, digits, references=2)
    assert one.point.metrics == point.metrics
    assert one.point.cost.relative_cost == pytest.approx(point.cost.relative_cost)
    assert one.point.cost.flops == point.cost.flops
    (single,) = run_trial(alone, Retrain(), 0)
    assert retrained[0].point.metrics == single.metrics


def test_each_request_starts_from_the_last_model_and_so_do_its_teachers(
    bench: Workbench, digits: Dataset
) -> None:
    SEEN.clear()
    follow(THREE, Shift(), bench, digits)
    original = bench.artifact(ORIGINAL).state
    expected = [original, SEEN[0][2], SEEN[1][2]]
    for (_, teacher, _), before in zip(SEEN, expected, strict=True):
        assert all(torch.equal(teacher[n], before[n]) for n in before)
    assert len({problem.rng.initial_seed() for problem, *_ in SEEN}) == 3
    assert [problem.forgotten_classes for problem, *_ in SEEN] == [(1,), (7,), ()]
    gone: set[int] = set()
    for problem, *_ in SEEN:
        seen = {*problem.retain.indices.tolist(), *problem.forget.indices.tolist()}
        assert not seen & gone
        gone |= {*problem.forget.indices.tolist()}


def test_the_identity_changes_nothing(bench: Workbench, digits: Dataset) -> None:
    matrix = matrix_of(follow(THREE, Idle(), bench, digits), digits)
    assert matrix.groups == ("class:1", "class:7", "random:0.05", *CORE)
    assert (matrix.model == matrix.model[0]).all()
    reversal, transfer = matrix.reversal(), matrix.backward_transfer()
    assert reversal is not None
    assert transfer is not None
    assert reversal.unlearned == transfer.unlearned == 0
    assert {e.unlearned for group in (3, 4) for e in matrix.erosion(group)} == {0}
    assert matrix.relative_cost == 0
    assert matrix.break_even == float("inf")


def test_retraining_forgets_for_good_and_erodes_nothing(
    retrained: list[Stage], digits: Dataset, bench: Workbench
) -> None:
    matrix = matrix_of(retrained, digits)
    assert matrix.model[:, 0].tolist() == [matrix.model[0, 0], 0, 0]
    assert matrix.model[:2, 1].min() > 0.9
    assert matrix.model[2, 1] == 0
    reversal = matrix.reversal()
    assert reversal == (0, 0)
    noise = np.abs(np.diff(matrix.references[1:], axis=1)).max()
    for group in (2, 3):
        for lost in matrix.erosion(group):
            assert lost.excess == pytest.approx(0, abs=2 * noise + 0.02)
    # The first request's trial has the seed of the first reference: it is that model.
    assert matrix.model[1].tolist() == matrix.references[1, 0].tolist()
    assert matrix.relative_cost == pytest.approx(1)
    assert matrix.break_even == pytest.approx(1)


def test_earlier_classes_are_neither_forgotten_now_nor_retained(retrained: list[Stage]) -> None:
    """A retrained model is wrong on all of the classes that are gone: they must not count as retained."""
    last = retrained[-1].point.metrics
    assert last["test_accuracy_forgotten"] == 0
    assert last["test_accuracy_retained"] is not None
    assert last["test_accuracy_retained"] > 0.9
    assert last["test_accuracy_worst_class"] is not None
    assert last["test_accuracy_worst_class"] > 0.7
    assert last["indistinguishability"] is not None
    assert last["indistinguishability"] > 0.5


def test_references_are_retrained_on_what_each_request_leaves(
    retrained: list[Stage], bench: Workbench, digits: Dataset
) -> None:
    second = retrained[1].task
    key = second.retrained_key(digits, bench.dtype, "cpu-1")
    record = bench.cache.load(key)
    assert record is not None
    recipe = bench.fresh_model().recipe
    kept = np.isin(digits.train.labels, [1, 7], invert=True).sum()
    assert record.record.gradient_samples == recipe.epochs * kept
    assert bench.cache.load(bench.key(RETRAINED)) is not None


def test_at_its_end_a_sequence_is_judged_by_all_that_was_forgotten(
    retrained: list[Stage], bench: Workbench, digits: Dataset
) -> None:
    """By the models of the single request for both classes, and on its forget set."""
    task, both = Task.named("digits-class:1;class:7").whole(), Task.named("digits-class:1+7")
    step = task.find_step(digits)
    assert np.array_equal(step.forget, both.find_step(digits).forget)
    assert task.retrained_key(digits, *HERE) == both.retrained_key(digits, *HERE)
    assert task.original_key(digits, *HERE) == both.original_key(digits, *HERE)
    assert task.key(digits) not in {t.key(digits) for t in (both, *task.steps())}
    assert find_traits(task, digits) == {"classes"}
    whole = Workbench(task, digits, bench.cache.root, CPU)
    use_references(whole, 2)

    def open_step(task: Task, start: Artifact | None) -> Workbench:
        return Workbench(task, digits, bench.cache.root, CPU, start=start)

    (point,) = run_whole(whole, open_step, Finetune(epochs=2, retain_share=0.1), 0)
    stages = follow("digits-class:1;class:7", Finetune(epochs=2, retain_share=0.1), bench, digits)
    assert point.cost.flops == stages[-1].point.cost.flops
    last = stages[-1].point.model
    assert last is not None
    assert point.metrics == whole.evaluate(last)
    assert point.model is not None
    assert all(
        torch.equal(a, b) for a, b in zip(point.model.parameters(), last.parameters(), strict=True)
    )


def test_a_later_request_needs_a_start(bench: Workbench, digits: Dataset) -> None:
    _, second = Task.named("digits-class:1;class:7").steps()
    with pytest.raises(ValueError, match="starts from what the last request left"):
        Workbench(second, digits, bench.cache.root, CPU)


@pytest.mark.parametrize(
    ("name", "method", "reason"),
    [
        ("digits-class:1;class:7", "amnesiac", "needs update_log of the original's training"),
        ("digits-class:1;random:.1", "unsir", "request 2 of 2, random:.1, empties none"),
    ],
)
def test_a_method_that_cannot_follow_is_refused_at_once(
    digits: Dataset, name: str, method: str, reason: str
) -> None:
    with pytest.raises(InvalidValue, match=reason):
        check_method(Task.named(name), digits, unlearner_class(method))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("digits-class:1;", "part 2 of 2 is empty"),
        (";class:1", "part 1 of 2 is empty"),
        ("digits-class:1;;class:2", "part 2 of 3 is empty"),
        ("digits-class:1;clas:7", "did you mean class"),
        ("digits-class:1;class:1", "no training example of class '1' is there; valid: 0, 2, 3"),
        ("digits-class:1;class:7+1", "no training example of class '1'"),
        ("digits-class:1;class-share:1:.5", "would forget 0 of 1072"),
        ("digits-class:1;el2n:top:50", "needs a scoring model"),
        ("digits-class:1;confusion:3:8:20", "the first request alone"),
        ("digits-class:0+1+2+3+4;class:5+6+7+8+9", "request 2 of 2.* would forget 587 of 587"),
        ("digits-class:1;random:.001", "at least 10 must be forgotten"),
    ],
)
def test_a_sequence_that_cannot_be_is_refused_before_anything_is_trained(
    name: str, reason: str
) -> None:
    with pytest.raises(InvalidValue, match=reason) as raised:
        Task.named(name).load()
    assert "\n" not in str(raised.value)
