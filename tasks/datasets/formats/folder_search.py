"""Looking for files below a folder: level by level, the nearest first, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.errors import InvalidValue

DEEPEST = 6
"""Levels below the folder that are looked into: a cache of Hugging Face has its files on the fifth."""
MOST_ENTRIES = 20_000
"""Entries after which the search is given up: the folder is a whole disk, or full of single pictures."""


def walk_levels(folder: Path, deepest: int = DEEPEST) -> Iterator[list[Path]]:
    """Yield the files of each level below `folder`, sorted; hidden folders are left out.

    A caller stops where it has found what it wants. Raises InvalidValue after MOST_ENTRIES entries.
    """
    level, seen = [folder], 0
    for _ in range(deepest + 1):
        files: list[Path] = []
        below: list[Path] = []
        for place in level:
            for entry in _list_entries(place):
                seen += 1
                if entry.is_dir():
                    below.append(entry)
                elif entry.is_file():
                    files.append(entry)
            if seen > MOST_ENTRIES:
                raise InvalidValue(
                    f"--data-dir {folder}: nothing was found among the nearest {MOST_ENTRIES:,} files and "
                    "folders; give the folder that holds the data set itself"
                )
        yield sorted(files)
        level = sorted(below)


def _list_entries(folder: Path) -> list[Path]:
    """List what is in a folder; nothing if it is gone or may not be read."""
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
