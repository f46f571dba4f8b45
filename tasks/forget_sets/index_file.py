"""Forgetting examples that a file lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.forget_sets.base import ForgetSet, check_size

if TYPE_CHECKING:
    import numpy as np

    from tasks.datasets.dataset import Dataset


@dataclass(frozen=True)
class IndexFile(ForgetSet):
    """FILE: the training examples at the positions, from 0, that a .npy file or a .txt (one a line) lists."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Mark them; raises InvalidValue unless they are whole numbers, each once and in range."""
        import numpy as np

        spec, count = f"index:{self.argument}", len(dataset.train)
        indices = read_numbers(self.argument, spec)
        if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
            raise InvalidValue(
                f"{spec}: holds {indices.dtype} {indices.shape}, not a list of integers"
            )
        outside = indices[(indices < 0) | (indices >= count)]
        if len(outside):
            raise InvalidValue(f"{spec}: index {outside[0]} is out of range: 0..{count - 1}")
        mask = np.zeros(count, bool)
        mask[indices] = True
        if mask.sum() < len(indices):
            raise InvalidValue(f"{spec}: lists an index twice")
        check_size(spec, len(indices), count)
        return mask

    def mask_within(self, dataset: Dataset, present: np.ndarray) -> np.ndarray:
        """Mark them: positions are those of the stored data, however many examples are present."""
        return self.mask(dataset)


def read_numbers(file: str, spec: str) -> np.ndarray:
    """Read an array from a `.npy` file, or the numbers of a `.txt`, one a line; raises InvalidValue."""
    import numpy as np

    path = Path(file)
    if path.suffix not in (".npy", ".txt"):
        raise InvalidValue(f"{spec}: the file must end in .npy or .txt")
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        lines = path.read_text().split()
    except (OSError, ValueError, EOFError) as error:
        raise InvalidValue(f"{spec}: cannot be read: {' '.join(str(error).split())}") from error
    try:
        return np.array([int(line) for line in lines], np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([float(line) for line in lines])
    except ValueError as error:
        raise InvalidValue(f"{spec}: {error}") from error
