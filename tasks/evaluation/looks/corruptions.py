"""Common corruptions with the constants of CIFAR-10-C, which are milder than those of ImageNet-C.

Each takes uint8 images (N, C, H, W), a severity from 1 to 5 and a generator an image, and gives uint8
images. "Like" CIFAR-10-C: the ten kinds that need neither ImageMagick nor photographs of frost.
Source: Hendrycks and Dietterich, 2019, and their make_cifar_c.py.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np

Generators = Sequence[np.random.Generator]
Corruption = Callable[[np.ndarray, int, Generators], np.ndarray]
SEVERITIES = (1, 2, 3, 4, 5)
LEAST_SIDE = 16
"""Pixels a side below which blurs, blocks, compression and zoom leave nothing to see."""

GAUSSIAN = (0.04, 0.06, 0.08, 0.09, 0.10)
SHOT = (500, 250, 100, 75, 50)
IMPULSE = (0.01, 0.02, 0.03, 0.05, 0.07)
SPECKLE = (0.06, 0.1, 0.12, 0.16, 0.2)
BRIGHTNESS = (0.05, 0.1, 0.15, 0.2, 0.3)
CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
BLUR = (0.4, 0.6, 0.7, 0.8, 1.0)
PIXELATE = (0.95, 0.9, 0.85, 0.75, 0.65)
JPEG = (80, 65, 58, 50, 40)
ZOOM = (1.06, 1.11, 1.16, 1.21, 1.26)
ZOOM_STEP = 0.01


def corrupt(name: str, images: np.ndarray, severity: int) -> np.ndarray:
    """Corrupt uint8 images (N, C, H, W); what is drawn depends on kind, severity and position alone."""
    kind = list(CORRUPTIONS).index(name)
    rngs = [np.random.default_rng((kind, severity, n)) for n in range(len(images))]
    return CORRUPTIONS[name](images, severity - 1, rngs)


def list_corruptions(side: int) -> list[str]:
    """List the kinds that suit images of so many pixels a side."""
    return [name for name in CORRUPTIONS if side >= LEAST_SIDE or name in ON_SMALL_IMAGES]


def gaussian_noise(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Add normal noise."""
    return _to_bytes(_shares(images) + GAUSSIAN[level] * _normal(images, rngs))


def shot_noise(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Draw each value from a Poisson distribution."""
    rate, x = SHOT[level], _shares(images)
    drawn = np.stack([rng.poisson(each * rate) for rng, each in zip(rngs, x, strict=True)])
    return _to_bytes(drawn / rate)


def impulse_noise(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Set a share of the values to black or white, half of them to each."""
    drawn = np.stack([rng.random(images.shape[1:]) for rng in rngs])
    amount = IMPULSE[level]
    salted = np.where(drawn < amount / 2, 0, images)
    return np.where(drawn > 1 - amount / 2, 255, salted).astype(np.uint8)


def speckle_noise(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Add normal noise in proportion to the value."""
    x = _shares(images)
    return _to_bytes(x + x * SPECKLE[level] * _normal(images, rngs))


def brightness(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Raise the value of hue, saturation and value."""
    x = _shares(images)
    value = x.max(1, keepdims=True)
    raised = np.minimum(value + BRIGHTNESS[level], 1)
    return _to_bytes(np.where(value > 0, x * raised / np.maximum(value, 1e-12), raised))


def contrast(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Move each channel towards its mean."""
    x = _shares(images)
    mean = x.mean((2, 3), keepdims=True)
    return _to_bytes((x - mean) * CONTRAST[level] + mean)


def gaussian_blur(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Average neighbours with normal weights."""
    from scipy.ndimage import gaussian_filter

    widths = (0, 0, BLUR[level], BLUR[level])
    return _to_bytes(gaussian_filter(_shares(images), widths, mode="nearest", truncate=4.0))


def pixelate(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Scale down and up again, without interpolation."""
    from PIL import Image

    height, width = images.shape[2:]
    size = int(width * PIXELATE[level]), int(height * PIXELATE[level])
    box = Image.Resampling.BOX
    return _by_picture(images, lambda p: p.resize(size, box).resize((width, height), box))


def jpeg(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Compress, with loss."""
    from PIL import Image

    def squeeze(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=JPEG[level])
        return Image.open(buffer)

    return _by_picture(images, squeeze)


def zoom_blur(images: np.ndarray, level: int, rngs: Generators) -> np.ndarray:
    """Average an image with its enlargements."""
    x = _shares(images)
    factors = np.arange(1, ZOOM[level], ZOOM_STEP)
    total = x + sum(_enlarge(x, factor) for factor in factors)
    return _to_bytes(total / (len(factors) + 1))


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "speckle_noise": speckle_noise,
    "brightness": brightness,
    "contrast": contrast,
    "gaussian_blur": gaussian_blur,
    "pixelate": pixelate,
    "jpeg": jpeg,
    "zoom_blur": zoom_blur,
}
ON_SMALL_IMAGES = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "brightness", "contrast",
)  # fmt: skip


def _shares(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float64) / 255


def _to_bytes(shares: np.ndarray) -> np.ndarray:
    return np.round(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def _normal(images: np.ndarray, rngs: Generators) -> np.ndarray:
    return np.stack([rng.normal(size=images.shape[1:]) for rng in rngs])


def _enlarge(x: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge the middle of images (N, C, H, W) in [0, 1] to their size."""
    from scipy.ndimage import zoom

    height, width = x.shape[2:]
    tall, wide = int(np.ceil(height / factor)), int(np.ceil(width / factor))
    top, left = (height - tall) // 2, (width - wide) // 2
    middle = x[:, :, top : top + tall, left : left + wide]
    grown = zoom(middle, (1, 1, factor, factor), order=1)
    top, left = (grown.shape[2] - height) // 2, (grown.shape[3] - width) // 2
    return np.asarray(grown[:, :, top : top + height, left : left + width])


def _by_picture(images: np.ndarray, change: Callable) -> np.ndarray:  # type: ignore[type-arg]
    """Change images one by one as pictures of Pillow: grey, or of red, green and blue."""
    from PIL import Image

    found = []
    for each in images:
        grey = len(each) == 1
        picture = Image.fromarray(each[0] if grey else each.transpose(1, 2, 0))
        pixels = np.asarray(change(picture))
        found.append(pixels[None] if grey else pixels.transpose(2, 0, 1))
    return np.stack(found)
