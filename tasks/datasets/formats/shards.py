"""Which Parquet or Arrow files make up a split: all of its shards, each once, from one folder."""

from __future__ import annotations

import filecmp
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from tasks.datasets.formats.folder_search import DEEPEST, walk_levels
from tasks.datasets.sources import hub_cache
from tasks.errors import InvalidValue

SUFFIXES = (".parquet", ".arrow")
SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
}  # fmt: skip
"""The words of a file's or folder's name that tell its split."""
HELD_OUT = ("test", "validation")
"""The splits that may be held out, the best first."""
SHARD = re.compile(r"(?:^|[-_.])(\d+)-of-(\d+)(?:-[0-9a-f]{8,})?$")
"""How Hugging Face numbers the shards of a split; a hash may follow."""

Splits = dict[str, list[Path]]


def find_shards(folder: Path, *, held_out: bool = True, deepest: int = DEEPEST) -> Splits:
    """Find the files of each split, in the nearest folder that has them: `train` and one of HELD_OUT.

    Known are names such as train-00000-of-00002.parquet and cifar10-test.arrow, and folders train/ and
    test/ of any such files, as on the branch `refs/convert/parquet` of Hugging Face. A cache of its hub counts
    by its newest revision. Without `held_out`, `train` alone is enough. Returns {} if there is nothing on the
    `deepest` levels.
    Raises InvalidValue for several such folders, an incomplete one above, copies, and missing shards.
    """
    incomplete: dict[Path, Splits] = {}
    for files in walk_levels(folder, deepest):
        homes = _group_by_home(file for file in files if file.suffix in SUFFIXES)
        homes = {home: splits for home, splits in homes.items() if _is_current(home)}
        complete = {
            h: s for h, s in homes.items() if "train" in s and any(k in s for k in HELD_OUT)
        }
        if not complete and not held_out:
            complete = {h: s for h, s in homes.items() if "train" in s}
        if len(complete) > 1:
            raise InvalidValue(
                f"--data-dir {folder}: several folders hold a data set, of which one must be chosen: "
                f"{', '.join(sorted(map(str, complete)))}"
            )
        if complete:
            ((home, splits),) = complete.items()
            _refuse_nearer(folder, incomplete, home)
            return {split: check_shards(split, parts) for split, parts in splits.items()}
        incomplete |= homes
    if incomplete:
        told = ", ".join(f"{home} only {' and '.join(s)}" for home, s in incomplete.items())
        raise InvalidValue(f"--data-dir {folder} needs train and test files in one folder: {told}")
    return {}


def find_whole_copy(folder: Path, repositories: Iterable[str]) -> tuple[Path, Splits] | None:
    """Find where train and test lie: below a folder, else in one of these repositories of the hub's cache.

    Raises InvalidValue as `find_shards` does.
    """
    for place in (folder, *(hub_cache() / repository for repository in repositories)):
        shards = find_shards(place)
        if "test" in shards:
            return place, shards
    return None


def check_shards(split: str, files: list[Path]) -> list[Path]:
    """Return the files of a split in the order of their numbers.

    Raises InvalidValue, which names the files, for copies, missing shards and files that are no shards.
    """
    if len(files) == 1 and not SHARD.search(files[0].stem):
        return files
    where = f"the {split} split in {files[0].parent} ({', '.join(file.name for file in files)})"
    numbers = {file: _read_number(file) for file in files}
    strangers = [file.name for file, number in numbers.items() if number is None]
    if strangers:
        raise InvalidValue(
            f"{where} is not one copy: {', '.join(strangers)} is no numbered part of it"
        )
    totals = {total for _, total in filter(None, numbers.values())}
    wanted = range(max(totals) or len(files))
    if len(totals) > 1 or sorted(n for n, _ in filter(None, numbers.values())) != [*wanted]:
        raise InvalidValue(
            f"{where} is not one whole copy: of its {len(wanted)} parts some are missing or there twice"
        )
    for one, other in combinations(files, 2):
        if one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False):
            raise InvalidValue(f"{where} is not one copy: {one.name} and {other.name} are the same")
    return sorted(files, key=lambda file: numbers[file] or (0, 0))


def _read_number(file: Path) -> tuple[int, int] | None:
    """Read the number of a shard, and of how many: (1, 2) in train-00001-of-00002; (1, 0) in 0001."""
    found = SHARD.search(file.stem)
    if found:
        return int(found[1]), int(found[2])
    return (int(file.stem), 0) if file.stem.isdecimal() else None


def _group_by_home(files: Iterable[Path]) -> dict[Path, Splits]:
    """Group files by the folder of their data set and by split; others are left out."""
    homes: dict[Path, Splits] = defaultdict(lambda: defaultdict(list))
    for file in files:
        words = re.split(r"[-_. ]+", file.stem.lower())
        split = next((SPLITS[word] for word in words if word in SPLITS), None)
        folder = SPLITS.get(file.parent.name.lower())
        if folder and split in (None, folder):
            homes[file.parent.parent][folder].append(file)
        elif split:
            homes[file.parent][split].append(file)
    return {home: dict(splits) for home, splits in homes.items()}


def _is_current(home: Path) -> bool:
    """Tell whether a folder is no older revision in a cache of Hugging Face's hub."""
    for snapshots in home.parents:
        newest = snapshots.parent / "refs" / "main"
        if snapshots.name == "snapshots" and newest.is_file():
            return home.relative_to(snapshots).parts[0] == newest.read_text().strip()
    return True


def _refuse_nearer(folder: Path, incomplete: dict[Path, Splits], home: Path) -> None:
    """Raise InvalidValue if a nearer folder holds a part of a data set: which is meant is not clear."""
    for nearer, splits in incomplete.items():
        raise InvalidValue(
            f"--data-dir {folder}: {nearer} holds {' and '.join(splits)} alone, and {home}, further down, "
            "a whole data set; one of them must be chosen"
        )
