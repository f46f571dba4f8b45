"""Compaction: the same rows in fewer files, whatever crashes; what it does not know stays as it is."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from store_rows import files, put, strictly, trial

from orchestrator.cli import main
from orchestrator.store import SCHEMA, compact, finished_trials, read_results, write_rows
from tasks.storage import storage_at


def test_compacting_keeps_the_rows_in_one_file_per_sweep(three: str) -> None:
    before = read_results(three)
    assert compact(three) == (4, 8)
    assert len(files(three)) == len(files(three, "other")) == 1
    assert strictly(three).equals(before)
    folder = storage_at(three).folder
    assert folder is None or ds.dataset(folder / "rows").count_rows() == 8


def test_compacting_one_sweep_leaves_the_others(three: str) -> None:
    untouched = files(three, "other")
    assert compact(three, "s") == (3, 6)
    assert files(three, "other") == untouched


def test_compacting_again_changes_nothing(three: str) -> None:
    compact(three)
    before = read_results(three)
    assert compact(three) == (2, 8)
    assert strictly(three).equals(before)
    assert len(files(three)) == len(files(three, "other")) == 1


def test_new_trials_join_a_compacted_store(three: str) -> None:
    compact(three)
    write_rows(three, "s", "key5", trial("d-0"))
    assert set(finished_trials(three, "s")) == {"a-0", "a-1", "b-0", "d-0"}
    compact(three)
    assert set(finished_trials(three, "s")) == {"a-0", "a-1", "b-0", "d-0"}
    assert len(files(three)) == 1


def test_running_a_trial_again_replaces_its_rows_after_a_compaction_too(three: str) -> None:
    """Its old rows are in the merged file then: exactly one row per trial may be final."""
    compact(three)
    write_rows(three, "s", "key2", trial("b-0", epochs=2, minute=5, error="again"))
    rows = finished_trials(three, "s")["b-0"]
    assert [(r["epoch"], r["final"], r["error"]) for r in rows] == [
        (1, False, "again"), (2, True, "again"),
    ]  # fmt: skip
    compact(three)
    assert finished_trials(three, "s")["b-0"] == rows


def test_a_crash_between_merging_and_deleting_repeats_no_row(three: str) -> None:
    """The merged file and some originals are there together."""
    before, originals = read_results(three), files(three)
    compact(three)
    for kept in ("key0.parquet", "key2.parquet"):
        put(three, kept, originals[kept])
    assert strictly(three).equals(before)
    compact(three)
    assert strictly(three).equals(before)
    assert len(files(three)) == 1


def test_compacting_keeps_a_damaged_file_for_inspection(three: str) -> None:
    torn = files(three)["key1.parquet"][:50]
    put(three, "key1.parquet", torn)
    with pytest.warns(UserWarning, match="key1"):
        compact(three)
    assert files(three)["key1.parquet"] == torn
    assert len(files(three)) == 2
    with pytest.warns(UserWarning, match="key1"):
        assert set(finished_trials(three, "s")) == {"a-0", "b-0"}


def test_compacting_nothing_but_damage_makes_no_file(root: str) -> None:
    put(root, "k.parquet", b"")
    with pytest.warns(UserWarning, match=r"k\.parquet"):
        compact(root)
    assert files(root) == {"k.parquet": b""}


OLDER = pa.Table.from_pylist(trial("z-0"), schema=SCHEMA).drop_columns(["test_accuracy"])
NEWER = pa.Table.from_pylist(trial("z-0"), schema=SCHEMA).append_column(
    "mia_of_the_future", pa.array([0.5, 0.6])
)


@pytest.mark.parametrize("other", [OLDER, NEWER], ids=["older", "newer"])
def test_a_file_of_another_version_is_read_but_never_rewritten(
    three: str, other: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    """Merged into the present schema, the columns of a newer version would be gone for good."""
    put(three, "other.parquet", other)
    content, before = files(three)["other.parquet"], read_results(three)
    with pytest.warns(UserWarning, match="left 1 files of another version as they are"):
        assert main(["compact", "--storage", three]) == 0
    assert files(three)["other.parquet"] == content
    assert len(files(three)) == 2
    assert strictly(three).equals(before)
    assert "merged 5 files" in capsys.readouterr().out
