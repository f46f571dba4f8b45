"""What an epoch reads, in numbers: for estimates of a sweep's length."""

from __future__ import annotations

from tasks.unlearners.base import Passes

SIZES = {"retain": 1000, "forget": 100, "recipe_epochs": 20, "share": 0.5, "batch_size": 64}


def test_hyper_parameters_multiply_what_they_are_named_for() -> None:
    passes = Passes(retain=1, also=(Passes(forget=2, times=("steps", "copies")),))
    values = {"steps": 5, "copies": 3, "lr": 0.1}
    assert passes.gradient_samples(**SIZES, values=values) == 500 + 15 * 200


def test_made_up_images_are_read_in_batches() -> None:
    passes = Passes(made_batches=1, times=("steps",))
    assert passes.gradient_samples(**SIZES, values={"steps": 7}) == 7 * 64


def test_parts_add_up_however_deep() -> None:
    inner = Passes(forget=1, also=(Passes(trainings=1),))
    assert Passes(also=(inner, inner)).gradient_samples(**SIZES) == 2 * (100 + 20_000)


def test_a_batch_of_the_retain_set_beside_each_of_the_forget_set_and_the_calibration_split() -> (
    None
):
    """100 images in 2 batches, each beside one of the 16 batches of 1000."""
    passes = Passes(beside_forget=1, calibration=2)
    assert passes.gradient_samples(**SIZES, calibration=30) == 2 * 62.5 + 60
