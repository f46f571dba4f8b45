"""Forget sets by memorisation: the design and the estimate in closed form, wrong labels found, a killed run resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.datasets.dataset import Augmentation, Dataset
from tasks.forget_sets.base import keep_examples
from tasks.forget_sets.scored.memorised import MODELS, Memorised
from tasks.roles import memorisation_role
from tasks.scoring.memorisation import (
    BLOCK,
    LEFT_OUT,
    Memorisation,
    bound_error,
    draw_seen,
    read_memorisation,
)
from tasks.task import Task
from tasks.workbench import Workbench

CPU = torch.device("cpu")
WRONG = 10
"""Examples with a wrong label, at the beginning of the noisy digits."""


def test_each_example_is_left_out_by_as_many_models_and_a_model_sees_seventy_percent() -> None:
    seen = draw_seen(2_000, seed=3)
    assert seen.shape == (BLOCK, 2_000)
    assert set((~seen).sum(0)) == {LEFT_OUT}
    assert np.abs(seen.mean(1) - 0.7).max() < 4 * np.sqrt(0.7 * 0.3 / 2_000)
    pairs = (
        ~seen[0] & ~seen[1]
    ).mean()  # 3/10 · 2/9: the draw of one example says nothing of the next
    assert abs(pairs - 1 / 15) < 4 * np.sqrt(1 / 15 / 2_000)
    assert np.array_equal(seen, draw_seen(2_000, seed=3))
    assert not np.array_equal(seen, draw_seen(2_000, seed=4))


def test_memorisation_of_made_models() -> None:
    """Right always; where it was seen; never; where it was not seen; and in half of the cases of each."""
    seen = np.repeat([[False], [True]], [4, 6], axis=0).repeat(5, 1)
    correct = np.array([[1, 0, 0, 1, 1]] * 2 + [[1, 0, 0, 1, 0]] * 2 + [[1, 1, 0, 0, 1]] * 3
                       + [[1, 1, 0, 0, 0]] * 3)  # fmt: skip
    confidence = np.where(seen, 0.9, np.array([[0.1], [0.2], [0.3], [0.6], *[[0.0]] * 6]))
    found = read_memorisation(correct, confidence, seen)
    assert found.scores.tolist() == [0, 1, 0, -1, 0]
    assert found.unseen_confidence == pytest.approx([0.3] * 5)


@pytest.mark.parametrize(("p_seen", "p_unseen"), [(0.9, 0.4), (1.0, 0.5), (0.5, 0.5)])
def test_a_score_has_no_bias_and_the_error_that_is_stated(p_seen: float, p_unseen: float) -> None:
    count, blocks = 20_000, MODELS // BLOCK
    seen = np.concatenate([draw_seen(count, seed) for seed in range(blocks)])
    drawn = np.random.default_rng(5).random(seen.shape)
    correct = drawn < np.where(seen, p_seen, p_unseen)
    scores = read_memorisation(correct, drawn, seen).scores
    error = np.sqrt(p_seen * (1 - p_seen) / 14 + p_unseen * (1 - p_unseen) / 6)
    assert scores.mean() == pytest.approx(p_seen - p_unseen, abs=4 * error / np.sqrt(count))
    assert scores.std() == pytest.approx(error, rel=0.03)
    assert error <= bound_error(MODELS) + 1e-12
    if p_seen == p_unseen == 0.5:
        assert error == pytest.approx(bound_error(MODELS))


@dataclass
class Made:
    """Scores that are given."""

    found: Memorisation

    def memorisation(self, models: int) -> Memorisation:
        return self.found


def test_a_score_below_zero_is_noise_and_equal_ones_go_by_confidence(digits: Dataset) -> None:
    """The lowest are what others expect anyway, not hard examples with a chance score of −.3."""
    count = len(digits.train)
    scores, confidence = np.zeros(count), np.linspace(0.5, 0.9, count)
    scores[:20], confidence[:20] = -0.3, 0.2
    scores[20:30] = 0.5
    made = Made(Memorisation(scores, confidence))
    chosen = {
        which: np.flatnonzero(Memorised(f"{which}:{n}", 0).choose(digits, made)).tolist()  # type: ignore[arg-type]
        for which, n in (("top", 30), ("low", 15), ("mid", 10))
    }
    assert chosen["top"] == list(range(30))
    assert chosen["low"] == list(range(count - 15, count))
    middle = (count - 30) // 2 + 30
    assert all(abs(i - middle) < 30 for i in chosen["mid"])


@pytest.fixture(scope="module")
def noisy(digits: Dataset) -> Dataset:
    """300 digits, of which the first ones have a wrong label; not shifted, so that they can be learnt by heart."""
    part = keep_examples(digits, np.arange(len(digits.train)) < 300)
    labels = part.train.labels.copy()
    labels[:WRONG] = (labels[:WRONG] + np.arange(1, WRONG + 1) % 9 + 1) % 10
    train = replace(part.train, labels=labels)
    return replace(part, train=train, augmentation=Augmentation())


def build(
    noisy: Dataset, root: Path, epochs: int, models: int = BLOCK, stop: str = ""
) -> tuple[Workbench, list[str]]:
    """Build the workbench of the 20 most memorised; list what it trained. A kill comes before `stop` is trained."""
    told: list[str] = []

    def progress(what: str, done: float, total: int, seconds: float) -> None:
        if what == stop:
            raise KeyboardInterrupt
        told.append(what)

    spec = f"digits-memorised:top:20:{models}"
    task = Task.named(spec, model="small-cnn", recipe=f"epochs={epochs}")
    bench = Workbench(task, noisy, root, CPU, progress=progress)
    return bench, list(dict.fromkeys(told))


def names(first: int, last: int) -> list[str]:
    """What the progress calls these models."""
    return [f"{memorisation_role(number)} model" for number in range(first, last + 1)]


def test_wrong_labels_are_memorised_the_most(noisy: Dataset, tmp_path: Path) -> None:
    """All but one, which no model learns: what is not learnt is not memorised."""
    bench, _ = build(noisy, tmp_path, epochs=15)
    scores = bench._scorer(lambda *_: None).memorisation(BLOCK).scores
    assert scores[:WRONG].mean() > 0.7
    assert scores[WRONG:].mean() < 0.1
    assert bench.choice.mask[:WRONG].sum() >= WRONG - 1


def test_a_killed_run_goes_on_where_it_was_and_equal_seeds_choose_alike(
    noisy: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(noisy, tmp_path / "a", epochs=1, stop=names(4, 4)[0])
    resumed, trained = build(noisy, tmp_path / "a", epochs=1)
    assert trained == names(4, BLOCK)
    at_once, trained = build(noisy, tmp_path / "b", epochs=1)
    assert trained == names(1, BLOCK)
    assert np.array_equal(resumed.choice.mask, at_once.choice.mask)
    more, trained = build(noisy, tmp_path / "a", epochs=1, models=2 * BLOCK)
    assert trained == names(BLOCK + 1, 2 * BLOCK)
    assert not np.array_equal(more.choice.mask, resumed.choice.mask)
    kept = resumed.cache.load(resumed._scorer(lambda *_: None).key(memorisation_role(1)))
    assert kept is not None
    assert all(tensor.shape == (300,) for tensor in kept.state.values()), "no weights"
