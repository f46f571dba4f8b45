"""What an epoch reads, in numbers: for estimates of a sweep's length."""

from __future__ import annotations

import dataclasses

import pytest

from tasks.unlearners.passes import Passes, Sizes

SIZES = Sizes(retain=1000, forget=100, recipe_epochs=20)
VALUES = {"retain_share": 0.5, "batch_size": 64}


def test_hyper_parameters_multiply_what_they_are_named_for() -> None:
    passes = Passes(retain=1, also=(Passes(forget=2, times=("steps", "copies")),))
    values = {**VALUES, "steps": 5, "copies": 3, "lr": 0.1}
    assert passes.count(SIZES, values) == 500 + 15 * 200


def test_made_up_images_are_read_in_batches() -> None:
    passes = Passes(made_batches=1, times=("steps",))
    assert passes.count(SIZES, {**VALUES, "steps": 7}) == 7 * 64


def test_parts_add_up_however_deep() -> None:
    inner = Passes(forget=1, also=(Passes(trainings=1),))
    assert Passes(also=(inner, inner)).count(SIZES, VALUES) == 2 * (100 + 20_000)


def test_a_batch_of_the_retain_set_beside_each_of_the_forget_set_and_the_calibration_split() -> (
    None
):
    """100 images in 2 batches, each beside one of the 16 batches of 1000."""
    passes = Passes(beside_forget=1, calibration=2)
    sizes = dataclasses.replace(SIZES, calibration=30)
    assert passes.count(sizes, {**VALUES, "retain_share": 1.0}) == 2 * 62.5 + 60


@pytest.mark.parametrize(("sam", "times"), [(0.0, 1), (0.05, 2)])
def test_sharpness_awareness_reads_twice_what_steps_are_taken_with(sam: float, times: int) -> None:
    looks = Passes(forget=1, steps=False)
    passes = Passes(retain=1, also=(looks,))
    assert passes.count(SIZES, {**VALUES, "sam": sam}) == times * 500 + 100
