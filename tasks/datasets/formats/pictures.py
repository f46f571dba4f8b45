"""Encoded pictures (PNG, JPEG, …) to arrays of one size."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tasks.errors import InvalidValue

GREY = ("1", "L", "LA")
"""Pillow's modes of pictures with one channel of 8 bits or less."""
DEEP = ("I", "F")
"""How the modes begin whose pixels have more than 8 bits: they would be cut off at white."""

Encoded = bytes | Path


def decode_pictures(
    pictures: Iterable[tuple[str, Encoded]],
    *,
    shape: tuple[int, int] | None = None,
    side: int | None = None,
    colour: bool = False,
    title: str = "",
) -> np.ndarray:
    """Decode (place, picture) pairs to uint8 (N, C, H, W); C is 1 if all are grey, unless `colour`.

    With `side`, each picture is scaled and its middle cut out to `side` x `side` pixels. Without, all must
    have the same size (H, W): that of `shape`, as the data set called `title` has, or of the first. Raises
    InvalidValue, which names the place of the first picture that cannot be read or has another size, and for
    none at all.
    """
    decoded: list[np.ndarray] = []
    wanted = (side, side) if side else shape
    for place, picture in pictures:
        try:
            array = decode_picture(picture, side=side, colour=colour)
        except Exception as error:  # Pillow has no common class of errors
            raise InvalidValue(f"{place}: no picture that can be read: {error}") from error
        size = array.shape[1:]
        wanted = wanted or size
        if size != wanted:
            raise InvalidValue(
                f"{place}: a picture of {size[1]}x{size[0]} pixels, not "
                + (f"{title}'s " if title else "")
                + f"{wanted[1]}x{wanted[0]}"
                + ("" if shape else "; --image-size 64, say, scales and crops them all")
            )
        decoded.append(array)
    if not decoded:
        raise InvalidValue("there is no picture")
    if len({len(array) for array in decoded}) > 1:
        decoded = [np.broadcast_to(array, (3, *array.shape[1:])) for array in decoded]
    return np.stack(decoded)


def decode_picture(picture: Encoded, *, side: int | None, colour: bool) -> np.ndarray:
    """Decode one picture, turned upright, to uint8 (C, H, W); see `decode_pictures`.

    Raises what Pillow raises, and ValueError for pixels of more than 8 bits.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as opened:
        if opened.mode.startswith(DEEP):
            raise ValueError(f"pixels of more than 8 bits (mode {opened.mode}) are not supported")
        upright = ImageOps.exif_transpose(opened)
        converted = upright.convert("L" if upright.mode in GREY and not colour else "RGB")
    if side:
        converted = ImageOps.fit(converted, (side, side), Image.Resampling.BILINEAR)
    pixels = np.asarray(converted)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
