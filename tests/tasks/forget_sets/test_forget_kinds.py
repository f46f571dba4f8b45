"""Forget sets that need no model: which examples they mark, what they do to the data, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.errors import InvalidValue
from tasks.forget_sets import forget_set, forgotten_classes, traits_of
from tasks.forget_sets.description import count_classes, describe_mask, hash_mask
from tasks.forget_sets.ranking import mark_ranked
from tasks.task import Task

HERE = "float32", "cpu"


@pytest.fixture(scope="module")
def fine(digits: Dataset) -> Dataset:
    """The digits with five classes, two digits each, and the digits as their subclasses."""

    def coarse(part: LabelledImages) -> LabelledImages:
        return LabelledImages(part.images, part.labels % 5, part.labels)

    names = tuple(f"{n} or {n + 5}" for n in range(5))
    parts = {"train": coarse(digits.train), "held_out": coarse(digits.held_out)}
    return replace(digits, **parts, classes=names, subclasses=digits.classes)


def test_several_classes_are_all_of_each(digits: Dataset) -> None:
    mask = forget_set("class:1+7", seed=0).mask(digits)
    assert np.array_equal(mask, np.isin(digits.train.labels, [1, 7]))
    assert forgotten_classes(digits, mask) == (1, 7)


def test_a_class_name_may_hold_a_plus_sign(digits: Dataset) -> None:
    named = replace(digits, classes=("c++", *digits.classes[1:]))
    assert np.array_equal(forget_set("class:c++", 0).mask(named), digits.train.labels == 0)


def test_a_share_of_a_class_is_drawn_by_the_seed(digits: Dataset) -> None:
    of_class = digits.train.labels == 4
    first, same, other = (forget_set("class-share:4:.25", s).mask(digits) for s in (1, 1, 2))
    assert first.sum() == round(0.25 * of_class.sum())
    assert not (first & ~of_class).any()
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", ["subclass", "identity"])
def test_a_subclass_is_a_part_of_a_class_that_stays(fine: Dataset, kind: str) -> None:
    mask = forget_set(f"{kind}:7", seed=0).mask(fine)
    assert np.array_equal(mask, fine.train.subclasses == 7)
    assert count_classes(fine, mask) == {"2 or 7": mask.sum()}
    always = {"subclass": {"parts"}, "identity": {"parts", "persons"}}[kind]
    assert traits_of(fine, f"{kind}:7", 0) == always
    assert traits_of(fine, f"{kind}:2+7", 0) == always | {"classes"}


def test_a_person_is_a_class_where_there_are_no_subclasses(digits: Dataset) -> None:
    assert np.array_equal(forget_set("identity:3", 0).mask(digits), digits.train.labels == 3)


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_a_file_of_indices_counts_by_its_content(
    digits: Dataset, tmp_path: Path, suffix: str
) -> None:
    chosen = np.array([5, 1000, 17, *range(200, 230)])
    keys = set()
    for name in ("one", "the-other"):
        file = tmp_path / f"{name}{suffix}"
        if suffix == ".npy":
            np.save(file, chosen)
        else:
            file.write_text("\n".join(map(str, chosen)) + "\n")
        task = Task.named(f"digits-index:{file}")
        assert np.array_equal(np.flatnonzero(task.forgotten.mask(digits)), np.sort(chosen))
        keys |= {(task.key(digits), task.retrained_key(digits, *HERE))}
    assert len(keys) == 1
    np.save(tmp_path / "same.npy", np.flatnonzero(digits.train.labels == 1))
    same = Task.named(f"digits-index:{tmp_path / 'same.npy'}")
    class_1 = Task.named("digits-class:1")
    assert same.retrained_key(digits, *HERE) == class_1.retrained_key(digits, *HERE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.arange(5), "would forget 5"),
        (np.arange(1190), "would forget 1190"),
        (np.array([*range(20), 3]), "an index twice"),
        (np.arange(1190, 1210), r"index 1198 is out of range: 0\.\.1197"),
        (np.arange(-1, 20), "index -1 is out of range"),
        (np.arange(20) + 0.5, "not a list of integers"),
        (np.zeros((20, 2), int), "not a list of integers"),
        (np.array([{}], object), "cannot be read"),
        ("3\n4 and 5\n", "and"),
        (None, "cannot be read"),
    ],
    ids=str,
)
def test_a_file_that_is_no_list_of_indices_is_refused(
    digits: Dataset, tmp_path: Path, content: object, reason: str
) -> None:
    file = tmp_path / ("list.txt" if isinstance(content, str) else "list.npy")
    if isinstance(content, str):
        file.write_text(content)
    elif content is not None:
        np.save(file, content)
    with pytest.raises(InvalidValue, match=reason) as raised:
        forget_set(f"index:{file}", 0).mask(digits)
    assert "\n" not in str(raised.value)


def test_numbers_of_ones_own_are_ranked(digits: Dataset, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).permutation(len(digits.train)) / 7
    np.save(tmp_path / "c.npy", numbers)
    top, low, mid = (
        forget_set(f"scores:{tmp_path}/c.npy:{w}:98", 0).mask(digits) for w in ("top", "low", "mid")
    )
    assert numbers[top].min() > np.delete(numbers, np.flatnonzero(top)).max()
    assert np.array_equal(np.sort(numbers[low] * 7).round(), np.arange(98))
    assert np.array_equal(np.sort(numbers[mid] * 7).round(), np.arange(550, 648))
    np.save(tmp_path / "c.npy", numbers[:-1])
    with pytest.raises(InvalidValue, match="a finite number for each of 1198"):
        forget_set(f"scores:{tmp_path}/c.npy:top:98", 0).mask(digits)


def test_equal_values_are_ordered_by_the_tie_breaker_and_else_by_chance() -> None:
    zeros, order = np.zeros(100), np.arange(100.0)
    assert np.array_equal(np.flatnonzero(mark_ranked(zeros, "low", 20, 0, "x", order)), range(20))
    drawn = mark_ranked(zeros, "low", 20, 0, "x")
    assert 0 < drawn[:50].sum() < 20
    assert not np.array_equal(drawn, mark_ranked(zeros, "low", 20, 1, "x"))


def test_confusion_swaps_as_many_labels_of_either_class(digits: Dataset) -> None:
    forgotten = forget_set("confusion:3:8:25", 0)
    mask, changed = forgotten.mask(digits), forgotten.apply(digits)
    before, after = digits.train.labels, changed.train.labels
    assert np.array_equal(before != after, mask)
    assert [(before[mask] == c).sum() for c in (3, 8)] == [25, 25]
    assert np.array_equal(after[mask], 11 - before[mask])
    assert changed.train.images is digits.train.images
    assert changed.held_out is digits.held_out
    assert forgotten.taught_errors(digits) == ((3, 8), (8, 3))


def test_poison_is_a_white_patch_with_the_first_class_s_label(digits: Dataset) -> None:
    forgotten = forget_set("poison:60:3", 0)
    mask, changed = forgotten.mask(digits), forgotten.apply(digits)
    assert mask.sum() == 60
    assert (digits.train.labels[mask] != 0).all()
    assert (changed.train.labels[mask] == 0).all()
    assert np.array_equal(changed.train.labels[~mask], digits.train.labels[~mask])
    assert (changed.train.images[mask][..., -3:, -3:] == 255).all()
    assert np.array_equal(
        changed.train.images[mask][..., :-3, :], digits.train.images[mask][..., :-3, :]
    )
    assert np.array_equal(changed.train.images[~mask], digits.train.images[~mask])
    assert digits.train.images[mask][..., -3:, -3:].min() < 255, (
        "the data as loaded stay as they are"
    )


def test_a_share_of_the_poison_is_known_and_all_of_it_is_planted(digits: Dataset) -> None:
    whole, part = forget_set("poison:60:3", 0), forget_set("poison:60:3:.25", 0)
    assert part.mask(digits).sum() == 15
    assert not (part.mask(digits) & ~whole.mask(digits)).any()
    assert part.apply(digits).fingerprint == whole.apply(digits).fingerprint
    keys = [
        Task.named(f"digits-{s}").original_key(digits, *HERE)
        for s in ("poison:60:3", "poison:60:3:.25", "class:1")
    ]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("spec", "traits"),
    [
        ("class:1", {"classes"}),
        ("random:0.1", set()),
        ("loss:top:20", set()),
        ("confusion:3:8:25", {"errors", "confusion"}),
        ("poison:60:3", {"errors", "trigger"}),
    ],
)
def test_the_traits_of_a_forget_set(digits: Dataset, spec: str, traits: set[str]) -> None:
    assert traits_of(digits, spec, 0) == traits


REFUSED = [
    ("class:1+1", "names one twice"),
    ("class:1+eleven", "0, 1, 2, 3"),
    ("class:0+1+2+3+4+5+6+7+8+9", "as many retained"),
    ("class-share:4", "its form is class-share:NAME:SHARE"),
    ("class-share:4:2", r"\(0, 1\)"),
    ("class-share:eleven:.5", "0, 1, 2, 3"),
    ("class-share:4:.01", "at least 10"),
    ("subclass:7", "digits has no finer classes"),
    ("identity:nobody", "unknown identity 'nobody'; valid: 0, 1"),
    ("index:list.csv", ".npy or .txt"),
    ("scores:list.npy:best:20", "valid: top, low, mid"),
    ("scores:list.npy", "its form is scores:FILE:top|low|mid:COUNT"),
    ("confusion:3:8", "its form is confusion:NAME:NAME:COUNT"),
    ("confusion:3:3:20", "must differ"),
    ("confusion:3:8:many", "no whole number"),
    ("confusion:3:8:2", "at least 10"),
    ("confusion:3:8:122", r"valid: 1\.\.121"),
    ("poison:60", "its form is poison:COUNT:SIDE:SHARE"),
    ("poison:60:8", r"valid sides: 1\.\.7"),
    ("poison:60:0", "no whole number of at least 1"),
    ("poison:60:2:1.5", r"\(0, 1\]"),
    ("poison:60:2:.1", "would forget 6"),
    ("poison:5000:2", "valid counts"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "reason"), REFUSED, ids=[spec for spec, _ in REFUSED])
def test_a_bad_argument_is_one_line_that_says_what_is_valid(
    digits: Dataset, spec: str, reason: str
) -> None:
    with pytest.raises(InvalidValue, match=reason) as raised:
        forget_set(spec, 0).mask(digits)
    assert "\n" not in str(raised.value)


def test_the_line_that_describes_a_forget_set_counts_every_example(digits: Dataset) -> None:
    mask = forget_set("class:1+7", 0).mask(digits)
    ones, sevens = ((digits.train.labels == c).sum() for c in (1, 7))
    larger, smaller = sorted([(ones, "1"), (sevens, "7")], key=lambda pair: -pair[0])
    assert describe_mask(digits, mask) == (
        f"forget set: {mask.sum()} of 1,198 training examples: "
        f"{larger[1]} {larger[0]}, {smaller[1]} {smaller[0]}"
    )
    many = replace(
        digits,
        classes=tuple(map(str, range(40))),
        train=replace(digits.train, labels=np.arange(1198) % 40),
    )
    assert describe_mask(many, np.ones(1198, bool)).endswith("9 30, 30 other classes 898")


def test_the_hash_of_a_mask_is_that_of_its_bytes() -> None:
    """The value that `printf '\\1\\0\\1' | sha256sum` prints."""
    assert hash_mask(np.array([True, False, True])) == "85f90dfea1d8027e"
