"""Batches: every example once, none alone, the same for the same seed; augmented within reach."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.splits import ResidentSource, Split, augment_images

CPU = torch.device("cpu")


def numbered(count: int, augmentation: Augmentation | None = None) -> Dataset:
    """Images 2x4x4 whose label is their number and whose pixels are all of them different."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 2, 4, 4), dtype=np.uint8)
    data = LabelledImages(images, np.arange(count))
    return Dataset(
        name="numbered",
        train=data,
        held_out=data,
        classes=("a", "b"),
        mean=(0.2, 0.6),
        std=(0.1, 0.4),
        augmentation=augmentation or Augmentation(),
        source="random numbers",
    )


def split_of(dataset: Dataset, indices: list[int] | None = None) -> Split:
    """Its training images, or some of them."""
    chosen = torch.arange(len(dataset.train)) if indices is None else torch.tensor(indices)
    return Split(ResidentSource(dataset.train, CPU), chosen, dataset)


def generator(seed: int = 0) -> torch.Generator:
    """A seeded generator."""
    return torch.Generator().manual_seed(seed)


@given(count=st.integers(1, 400), batch_size=st.integers(1, 64))
def test_one_pass_has_every_example_once_in_batches_that_are_never_tiny(
    count: int, batch_size: int
) -> None:
    split = split_of(numbered(count))
    batches = [y for _, y in split.batches(batch_size, generator())]
    sizes = [len(y) for y in batches]
    assert torch.cat(batches).sort().values.tolist() == list(range(count))
    assert len(batches) == split.steps(batch_size) == math.ceil(count / batch_size)
    assert max(sizes) <= batch_size
    if len(sizes) > 1:
        assert min(sizes) >= batch_size // 2


@given(
    count=st.integers(1, 300),
    share=st.floats(0.01, 1.0),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 99),
)
def test_a_share_visits_so_many_different_examples(
    count: int, share: float, batch_size: int, seed: int
) -> None:
    split = split_of(numbered(count))
    labels = [y for _, y in split.batches(batch_size, generator(seed), share=share)]
    seen = torch.cat(labels).tolist()
    assert len(seen) == len(set(seen)) == max(1, round(count * share))
    assert len(labels) == split.steps(batch_size, share)


def test_a_share_is_drawn_anew_in_each_pass() -> None:
    split, rng = split_of(numbered(200)), generator()
    first, second = (
        {int(v) for _, y in split.batches(16, rng, share=0.2) for v in y} for _ in range(2)
    )
    assert first != second


def test_images_stay_with_their_labels_and_inside_the_split() -> None:
    dataset = numbered(50)
    split = split_of(dataset, [3, 8, 20, 41])
    mean, std = (torch.tensor(v).view(1, 2, 1, 1) for v in (dataset.mean, dataset.std))
    for x, y in split.batches(3, generator()):
        assert set(y.tolist()) <= {3, 8, 20, 41}
        pixels = torch.from_numpy(dataset.train.images)[y].double() / 255
        torch.testing.assert_close(x.double(), (pixels - mean) / std, rtol=1e-5, atol=1e-5)
        assert x.dtype == torch.float32


def test_the_same_seed_gives_the_same_batches_and_another_gives_others() -> None:
    split = split_of(numbered(100, Augmentation(flip=True, translate=1)))

    def read(seed: int) -> list[torch.Tensor]:
        return [t for batch in split.batches(16, generator(seed)) for t in batch]

    assert all(torch.equal(a, b) for a, b in zip(read(1), read(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(read(1), read(2), strict=True))


def test_ordered_gives_every_example_in_order_and_not_augmented() -> None:
    dataset = numbered(40, Augmentation(flip=True, translate=1))
    split = split_of(dataset, [5, 6, 30, 2])
    batches = list(split.ordered(3))
    assert torch.cat([y for _, y in batches]).tolist() == [5, 6, 30, 2]
    plain = list(split_of(numbered(40), [5, 6, 30, 2]).ordered(3))
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(batches, plain, strict=True))


def test_augment_false_leaves_the_images_as_they_are() -> None:
    augmenting = split_of(numbered(30, Augmentation(flip=True, translate=1)))
    plain = split_of(numbered(30))
    pairs = zip(
        augmenting.batches(8, generator(), augment=False),
        plain.batches(8, generator()),
        strict=True,
    )
    assert all(torch.equal(a, b) for (a, _), (b, _) in pairs)


def test_sample_draws_without_replacement() -> None:
    split = split_of(numbered(30))
    drawn = split.sample(20, generator())
    assert len(torch.unique(drawn.flatten(1), dim=0)) == 20
    assert len(split.sample(100, generator())) == 30


def test_a_subset_is_a_fixed_part_and_joined_is_the_union() -> None:
    split = split_of(numbered(60), list(range(10, 50)))
    part = split.subset(15, generator(1))
    assert len(part) == 15
    assert set(part.indices.tolist()) <= set(range(10, 50))
    assert torch.equal(part.indices, split.subset(15, generator(1)).indices)
    assert len(split.subset(1000, generator())) == 40
    joined = split.joined(split_of(numbered(60), [0, 1, 2]))
    assert sorted(joined.indices.tolist()) == [0, 1, 2, *range(10, 50)]
    assert len(split) == 40, "the split itself is unchanged"


def windows(image: torch.Tensor, reach: int) -> list[torch.Tensor]:
    """Every shift of an image (C, H, W) by up to `reach`, its border reflected, by hand."""
    height, width = image.shape[1:]

    def reflected(position: int, size: int) -> int:
        position = abs(position)
        return 2 * (size - 1) - position if position >= size else position

    found = []
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            shifted = torch.empty_like(image)
            for row in range(height):
                for column in range(width):
                    source = reflected(row + down, height), reflected(column + right, width)
                    shifted[:, row, column] = image[:, source[0], source[1]]
            found.append(shifted)
    return found


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("reach", [0, 1, 2])
def test_an_augmented_image_is_a_mirrored_window_of_itself(flip: bool, reach: int) -> None:
    images = torch.randint(0, 256, (250, 2, 4, 5), dtype=torch.uint8, generator=generator(3))
    changed = augment_images(images, Augmentation(flip=flip, translate=reach), generator(4))
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    used, possible = set(), set()
    for image, result in zip(images, changed, strict=True):
        allowed = windows(image, reach) + (windows(image.flip(2), reach) if flip else [])
        matches = [i for i, w in enumerate(allowed) if torch.equal(w, result)]
        assert matches, "not a window of the image"
        used.add(matches[0])
        possible = {
            w.numpy().tobytes() for w in allowed
        }  # some mirrored windows are plain ones too
    assert len(used) >= 0.9 * len(possible), "some changes never occur"


def test_about_half_of_the_images_are_flipped() -> None:
    images = torch.arange(4, dtype=torch.uint8).repeat(4000, 1, 4, 1)
    flipped = augment_images(images, Augmentation(flip=True), generator())[:, 0, 0, 0] == 3
    assert 0.46 < flipped.float().mean() < 0.54


@given(first=st.integers(1, 120), second=st.integers(1, 40), batch_size=st.integers(1, 32))
def test_paired_batches_restart_the_shorter_side(first: int, second: int, batch_size: int) -> None:
    dataset = numbered(first + second)
    retain = split_of(dataset, list(range(first)))
    forget = split_of(dataset, list(range(first, first + second)))
    pairs = list(retain.paired(forget, batch_size, generator()))
    assert len(pairs) == retain.steps(batch_size)
    left = torch.cat([y for (_, y), _ in pairs])
    assert left.sort().values.tolist() == list(range(first))
    right = [y for _, (_, y) in pairs]
    round_trip = forget.steps(batch_size)
    for start in range(0, len(right), round_trip):
        seen = torch.cat(right[start : start + round_trip]).tolist()
        assert len(seen) == len(set(seen)), "an example came twice before all had come once"
        assert set(seen) <= set(range(first, first + second))


def test_paired_batches_visit_a_share_of_the_first_side() -> None:
    dataset = numbered(120)
    retain, forget = split_of(dataset, list(range(100))), split_of(dataset, list(range(100, 120)))
    pairs = list(retain.paired(forget, 8, generator(), share=0.25))
    assert sum(len(y) for (_, y), _ in pairs) == 25
