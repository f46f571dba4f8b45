"""Files of the store as crashes, disks and other versions leave them: read, or skipped and named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program import ROOT
from store_rows import files, identities, put, strictly, trial

from orchestrator.results.columns import COLUMNS
from orchestrator.results.store import (
    SCHEMA,
    compact_rows,
    read_finished_trials,
    read_results,
    write_rows,
)


def test_a_file_of_an_older_schema_reads_with_nulls(three: str) -> None:
    """Fewer columns, in another order, and whole numbers of a smaller type."""
    old = pa.table(
        {
            "test_accuracy": pa.array([0.5]),
            "epoch": pa.array([1], pa.int32()),
            "trial_id": ["z-0"],
            "sweep": ["s"],
            "final": [True],
        }
    )
    put(three, "old.parquet", old, version="1")
    table = strictly(three)
    assert table.schema.names == list(COLUMNS)
    (row,) = [r for r in table.to_pylist() if r["trial_id"] == "z-0"]
    assert (row["test_accuracy"], row["epoch"], row["unlearn_seconds"]) == (0.5, 1, None)


def test_a_file_of_a_newer_schema_reads_without_what_is_unknown(three: str) -> None:
    newer = SCHEMA.append(pa.field("mia_of_the_future", pa.float64()))
    rows = [{**r, "mia_of_the_future": 0.5} for r in trial("z-0")]
    put(three, "new.parquet", pa.Table.from_pylist(rows, schema=newer), version="1")
    table = strictly(three)
    assert table.schema.names == list(COLUMNS)
    assert ("s", "z-0", 2) in identities(table)


@pytest.mark.parametrize("left", [0, 4, 0.5, -1], ids=str)
def test_a_torn_file_is_skipped_with_a_warning_that_names_it(three: str, left: float) -> None:
    content = files(three)["key1.parquet"]
    put(
        three,
        "key1.parquet",
        content[: int(len(content) * left) if isinstance(left, float) else left],
    )
    with pytest.warns(UserWarning, match=r"key1\.parquet") as caught:
        table = read_results(three)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert set(table["trial_id"].to_pylist()) == {"a-0", "b-0"}
    with pytest.warns(UserWarning, match=r"key1\.parquet"):
        assert set(read_finished_trials(three, "s")) == {"a-0", "b-0"}
    with pytest.warns(UserWarning, match=r"key1\.parquet"):
        some = read_results(three, "s", ["trial_id"])
    assert some.schema.names == ["trial_id"]
    assert set(some["trial_id"].to_pylist()) == {"a-0", "b-0"}


def test_a_value_that_was_altered_on_the_disk_is_noticed(three: str) -> None:
    """Pages carry checksums: a flipped bit must not become a number."""
    content = bytearray(files(three)["key2.parquet"])
    middle = content.index(b"b-0")
    content[middle] ^= 1
    put(three, "key2.parquet", bytes(content))
    with pytest.warns(UserWarning, match=r"key2\.parquet"):
        assert set(read_finished_trials(three, "s")) == {"a-0", "a-1"}


def test_rows_that_do_not_say_whose_they_are_are_damage(three: str) -> None:
    put(three, "k.parquet", pa.table({"test_accuracy": [0.5], "final": [True]}), version="1")
    with pytest.warns(UserWarning, match=r"k\.parquet \(rows without sweep, trial_id, epoch\)"):
        assert set(read_finished_trials(three, "s")) == {"a-0", "a-1", "b-0"}


def whole_but_for(root: str, content: bytes | pa.Table) -> None:
    """With such a file beside it, the trial `a-1` is read as ever; nothing is raised."""
    put(root, "key2.parquet", content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trials = read_finished_trials(root, "s")
    assert len(trials["a-1"]) == 2
    assert len(caught) <= 1
    assert all("key2.parquet" in str(w.message) for w in caught)


FUZZED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@FUZZED
@given(content=st.binary(max_size=200), magic=st.booleans())
def test_any_bytes_may_lie_there(three: str, content: bytes, magic: bool) -> None:
    whole_but_for(three, b"PAR1" + content + b"PAR1" if magic else content)


@FUZZED
@given(data=st.data())
def test_a_file_may_be_cut_and_altered_anywhere(three: str, data: st.DataObject) -> None:
    write_rows(three, "s", "key2", trial("b-0", epochs=3))
    content = bytearray(files(three)["key2.parquet"])
    last = len(content) - 1
    where = st.integers(0, last) | st.integers(0, 2000).map(lambda n: max(0, last - n))
    for place, byte in data.draw(st.lists(st.tuples(where, st.integers(0, 255)), max_size=8)):
        content[place] = byte
    whole_but_for(three, bytes(content[: data.draw(st.integers(0, last) | st.just(last + 1))]))


NAMES = st.sampled_from(["sweep", "trial_id", "epoch", "final", "finished_at"]) | st.text()
COLUMN = st.one_of(
    *(
        st.tuples(values, values | st.none())
        for values in (st.text(), st.floats(), st.integers(-9, 9), st.booleans(), st.datetimes())
    )
)


@FUZZED
@given(columns=st.dictionaries(NAMES, COLUMN))
def test_a_file_may_have_any_columns_of_any_type(three: str, columns: dict[str, tuple]) -> None:
    whole_but_for(three, pa.table({name: list(values) for name, values in columns.items()}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a sweep with three trials."""
    for number, trial_id in enumerate(("a-0", "a-1", "b-0")):
        write_rows(tmp_path, "s", f"key{number}", trial(trial_id, epochs=number + 1))
    return tmp_path / "rows" / "s"


def test_temporary_files_are_invisible_to_every_reader(folder: Path, tmp_path: Path) -> None:
    before = read_results(tmp_path)
    (folder / ".key7.parquet.0123abcd").write_bytes(b"PAR1 half a fi")
    (folder / "notes.txt").write_text("not a result")
    assert strictly(str(tmp_path)).equals(before)
    (folder / "notes.txt").unlink()
    assert ds.dataset(folder).count_rows() == len(before)
    assert len(pd.read_parquet(folder)) == len(before)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    folder: Path, tmp_path: Path
) -> None:
    """A folder stands where the file would go: the rename at the end is refused."""
    before = set(os.listdir(folder))
    (folder / "blocked.parquet").mkdir()
    with pytest.raises(OSError, match="blocked"):
        write_rows(tmp_path, "s", "blocked", trial("c-0"))
    assert set(os.listdir(folder)) == before | {"blocked.parquet"}


WRITER = """
import sys
from datetime import UTC, datetime
from orchestrator.results.store import write_rows

rows = [
    {"sweep": "s", "trial_id": "big-0", "epoch": e, "final": e == 79_999, "error": f"{e * e} of {e}"}
    for e in range(80_000)
]
print("ready", flush=True)
while True:
    write_rows(sys.argv[1], "s", "big", rows)
"""


def killed_while_writing(folder: Path) -> bool:
    """Kill a writer as soon as its temporary file is seen; whether that file was left behind."""
    command = [sys.executable, "-c", WRITER, str(folder.parents[1])]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        while not any(folder.glob(".big*")):
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    return any(folder.glob(".big*"))


def test_a_writer_killed_half_way_leaves_whole_files_alone(folder: Path, tmp_path: Path) -> None:
    caught = [killed_while_writing(folder)]
    while not any(caught) and len(caught) < 10:
        caught.append(killed_while_writing(folder))
    assert any(caught), "never killed in the middle of a write"
    table = strictly(str(tmp_path), "s")
    rows = [r for r in table.to_pylist() if r["trial_id"] != "big-0"]
    assert len(rows) == 6
    assert len(table) - len(rows) in (0, 80_000)
    compact_rows(tmp_path)
    assert len(strictly(str(tmp_path), "s")) == len(table)
