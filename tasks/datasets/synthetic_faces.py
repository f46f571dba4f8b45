"""Faces of persons who do not exist: drawn from a few traits each, so that identities can be forgotten in a test.

Everything is made of sums, products and square roots, which give the same pixels on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.datasets.dataset import Augmentation, Dataset, LabelledImages
from tasks.datasets.own.build import measure_pixels
from tasks.errors import InvalidValue

TRAITS = ("face", "eyes", "gaze", "brows", "slant", "mouth", "hue", "nose")
"""What tells persons apart, each in [0, 1]; `share_traits` exchanges every other one."""
PERSONS, TRAINING, HELD_OUT, SIDE = 40, 20, 12, 32
"""Twelve held-out images of a person are the fewest with which a single one can be judged."""
ENTANGLEMENT = 0.5
SEED = 0
SHIFT = 1 / 8
"""A pose shifts a face by up to so much of half the image: 2 of 32 pixels."""


def load_faces(data_dir: Path | None = None) -> Dataset:
    """Load 40 persons with 20 training and 12 held-out images of 32x32 pixels; `data_dir` is ignored.

    The persons are the classes. `make_faces` makes other numbers and sizes of them.
    """
    return make_faces()


def make_faces(
    persons: int = PERSONS,
    *,
    training: int = TRAINING,
    held_out: int = HELD_OUT,
    side: int = SIDE,
    entanglement: float = ENTANGLEMENT,
    seed: int = SEED,
) -> Dataset:
    """Draw a data set of persons `p00`, `p01`, …, each with so many images of `side` pixels.

    Persons come in pairs. With `entanglement` 1 the second has half of the traits of the first; with 0 they are
    strangers. The same arguments give the same pixels. Raises InvalidValue for arguments out of range.
    """
    least = {"persons": (persons, 2), "training": (training, 1), "held_out": (held_out, 1)}
    for name, (value, lowest) in {**least, "side": (side, 8)}.items():
        if value < lowest:
            raise InvalidValue(f"make_faces: {name}={value} is out of range: at least {lowest}")
    if not 0 <= entanglement <= 1:
        raise InvalidValue(f"make_faces: entanglement={entanglement} is out of range: 0..1")
    rng = np.random.default_rng(seed)
    traits = share_traits(rng.random((persons, len(TRAITS))), entanglement)
    count = training + held_out
    images = np.concatenate([draw_faces(own, count, side, rng) for own in traits])
    labels = np.repeat(np.arange(persons), count)
    is_held_out = np.tile(np.arange(count) >= training, persons)
    train = LabelledImages(images[~is_held_out], labels[~is_held_out])
    mean, std = measure_pixels(train.images)
    return Dataset(
        name="faces",
        train=train,
        held_out=LabelledImages(images[is_held_out], labels[is_held_out]),
        classes=tuple(f"p{number:02}" for number in range(persons)),
        mean=mean,
        std=std,
        augmentation=Augmentation(translate=max(1, side // 16)),
        source=f"{persons} synthetic persons, entanglement {entanglement:g}",
    )


def write_faces(folder: str | Path, data: Dataset) -> None:
    """Write a data set as pictures: FOLDER/train/PERSON/000.png, … and FOLDER/test/PERSON/000.png, …"""
    from PIL import Image

    for split, part in (("train", data.train), ("test", data.held_out)):
        for number, person in enumerate(data.classes):
            place = Path(folder, split, person)
            place.mkdir(parents=True, exist_ok=True)
            for position, pixels in enumerate(part.images[part.labels == number]):
                Image.fromarray(pixels.transpose(1, 2, 0)).save(place / f"{position:03}.png")


def share_traits(traits: np.ndarray, entanglement: float) -> np.ndarray:
    """Move every other trait of the second of each two persons, (N, D), towards the first one's by this share."""
    shared = traits.copy()
    first, second = traits[0::2, 0::2], traits[1::2, 0::2]
    shared[1::2, 0::2] = second + entanglement * (first[: len(second)] - second)
    return shared


def draw_faces(traits: np.ndarray, count: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Draw images uint8 (count, 3, side, side) of a person: other poses, light, expressions and noise."""
    face, eyes, gaze, brows, slant, mouth, hue, nose = traits

    def vary(reach: float) -> np.ndarray:
        return reach * (2 * rng.random((count, 1, 1)) - 1)

    line = (np.arange(side) + 0.5) * 2 / side - 1
    x, y = line[None, None] + vary(SHIFT), line[None, :, None] + vary(SHIFT)
    smile, light_x, light_y = vary(0.12), vary(0.3), vary(0.3)
    skin = 0.45 + 0.4 * np.clip(
        np.abs((hue + np.array([0, 1 / 3, 2 / 3])) % 1 - 0.5) * 4 - 0.5, 0, 1
    )
    layers = [
        (_cover(x, y, 0.55 + 0.3 * face, 0.9 - 0.15 * face, side), skin),
        (_cover(np.abs(x) - 0.2 - 0.22 * eyes, y + 0.2, 0.07 + 0.07 * gaze, 0.08, side), 0.05),
        (
            _cover(
                np.abs(x) - 0.2 - 0.22 * eyes,
                y + 0.36 + 0.14 * brows + (slant - 0.5) * np.abs(x),
                0.16,
                0.045,
                side,
            ),
            0.15,
        ),
        (_cover(x, y - 0.08, 0.04 + 0.08 * nose, 0.12, side), 0.3),
        (_cover(x, y - 0.45 + smile * x * x * 8, 0.14 + 0.24 * mouth, 0.07, side), [0.6, 0.1, 0.15]),
    ]  # fmt: skip
    canvas = np.full((count, 3, side, side), 0.25) + vary(0.1)[..., None]
    for cover, colour in layers:
        wanted = np.broadcast_to(np.asarray(colour, float).reshape(-1, 1, 1), (3, 1, 1))
        canvas += cover[:, None] * (wanted - canvas)
    canvas *= (1 + light_x * x + light_y * y)[:, None]
    canvas += 0.05 * (rng.random(canvas.shape) + rng.random(canvas.shape) - 1)
    return np.floor(np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)


def _cover(x: np.ndarray, y: np.ndarray, width: float, height: float, side: int) -> np.ndarray:
    """Cover an ellipse around the origin: 1 inside, 0 outside, and a slope of about a pixel between."""
    radius = np.sqrt((x / width) ** 2 + (y / height) ** 2)
    return np.clip((1 - radius) * min(width, height) * side / 2 + 0.5, 0, 1)
