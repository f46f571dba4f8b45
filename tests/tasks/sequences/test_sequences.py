"""Requests that follow one another on real models: where each starts, and the known answers of a sequence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from followed_requests import CPU, HERE, SEEN, THREE, Idle, Shift, follow, matrix_of

from tasks.artifacts import Artifact
from tasks.datasets.dataset import Dataset
from tasks.evaluation import metric_named
from tasks.evaluation.outputs import Outputs
from tasks.references import use_references
from tasks.roles import ORIGINAL, RETRAINED
from tasks.sequences.course import Stage, run_whole
from tasks.sequences.groups import CORE
from tasks.sequences.suitability import find_traits
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners.exact.retrain import Retrain
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.workbench import Workbench


@pytest.fixture(scope="module")
def retrained(bench: Workbench, digits: Dataset) -> list[Stage]:
    """Two requests, each answered by a retrain."""
    return follow("digits-class:1;class:7", Retrain(), bench, digits, references=2)


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


def test_wrong_labels_are_sought_where_they_were_taught(bench: Workbench, digits: Dataset) -> None:
    """A later request forgets examples with right labels: to know these is no error."""
    task = Task.named("digits-confusion:1:7:20;random:0.3").whole()
    whole = Workbench(task, digits, bench.cache.root, CPU)
    seen = whole.outputs(whole.fresh_model())
    true = digits.train.labels[whole.step.forget]
    assert (seen.forget.labels != true).sum() == 40 < len(true)

    def error(answers: np.ndarray) -> float | None:
        logits = np.eye(10, dtype=np.float32)[answers]
        forget = Outputs(logits, seen.forget.labels)
        return metric_named("forget_targeted_error")(replace(seen, forget=forget))

    assert error(true) == 0
    assert error(seen.forget.labels) == 1
    assert error(np.where(true == 1, seen.forget.labels, true)) == 0.5


def test_a_later_request_needs_a_start(bench: Workbench, digits: Dataset) -> None:
    _, second = Task.named("digits-class:1;class:7").steps()
    with pytest.raises(ValueError, match="starts from what the last request left"):
        Workbench(second, digits, bench.cache.root, CPU)
