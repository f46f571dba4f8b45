"""Compaction: the same rows in fewer files, whatever crashes; what it does not know stays as it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from store_rows import Row, files, put, strictly, trial

from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.results.files import encode_table
from orchestrator.results.store import (
    SCHEMA,
    compact_rows,
    read_finished_trials,
    read_results,
    write_rows,
)
from orchestrator.sweeps.folder import hold_sweep, is_held
from tasks.storage.roots import open_root


def test_compacting_keeps_the_rows_in_one_file_per_sweep(three: str) -> None:
    before = read_results(three)
    assert compact_rows(three) == (4, 8)
    assert len(files(three)) == len(files(three, "other")) == 1
    assert strictly(three).equals(before)
    folder = open_root(three).folder
    assert folder is None or ds.dataset(folder / "rows").count_rows() == 8


def test_compacting_one_sweep_leaves_the_others(three: str) -> None:
    untouched = files(three, "other")
    assert compact_rows(three, "s") == (3, 6)
    assert files(three, "other") == untouched


def test_compacting_again_changes_nothing(three: str) -> None:
    compact_rows(three)
    before = read_results(three)
    assert compact_rows(three) == (2, 8)
    assert strictly(three).equals(before)
    assert len(files(three)) == len(files(three, "other")) == 1


def test_new_trials_join_a_compacted_store(three: str) -> None:
    compact_rows(three)
    write_rows(three, "s", "key5", trial("d-0"))
    assert set(read_finished_trials(three, "s")) == {"a-0", "a-1", "b-0", "d-0"}
    compact_rows(three)
    assert set(read_finished_trials(three, "s")) == {"a-0", "a-1", "b-0", "d-0"}
    assert len(files(three)) == 1


def test_rows_of_a_node_whose_clock_is_ahead_do_not_win(three: str) -> None:
    """The first rows of a trial were merged, and a worker that was cut off stores others now."""
    before = read_finished_trials(three, "s")["b-0"]
    compact_rows(three)
    for minute in (-5000, 5000):
        write_rows(three, "s", f"key2{minute}", trial("b-0", epochs=1, minute=minute))
        assert read_finished_trials(three, "s")["b-0"] == before
    compact_rows(three)
    assert read_finished_trials(three, "s")["b-0"] == before


def baseline(key: str, minute: int) -> list[Row]:
    """The row of a retrained model."""
    return trial("retrained", epochs=1, minute=minute, role="retrained", trial_key=key)


@pytest.mark.parametrize("minute", [-5000, 5000], ids=["clock behind", "clock ahead"])
@pytest.mark.parametrize("merged", [False, True], ids=["two files", "merged before"])
def test_a_baseline_that_is_made_anew_counts_from_then_on(
    root: str, minute: int, merged: bool
) -> None:
    write_rows(root, "s", "retrained-old", baseline("old", 0), instead_of="retrained-")
    if merged:
        compact_rows(root)
    write_rows(root, "s", "retrained-new", baseline("new", minute), instead_of="retrained-")
    for _ in range(2):
        assert [r["trial_key"] for r in read_finished_trials(root, "s")["retrained"]] == ["new"]
        compact_rows(root)
    assert len(files(root)) == 1


CRASHES = [some for n in range(2) for some in itertools.combinations(("merged", "own"), n + 1)]


@pytest.mark.parametrize("left", CRASHES, ids=" and ".join)
def test_a_crash_while_merging_leaves_what_counted_before(root: str, left: tuple[str, ...]) -> None:
    """An older merged file and a newer own file are merged, and some of the two is not deleted."""
    write_rows(root, "s", "retrained-old", baseline("old", 0), instead_of="retrained-")
    write_rows(root, "s", "key", trial("a-0"))
    compact_rows(root)
    write_rows(root, "s", "retrained-new", baseline("new", -5000), instead_of="retrained-")
    write_rows(root, "s", "key", trial("a-0", epochs=1, minute=5000))
    before, originals = read_results(root), files(root)
    compact_rows(root)
    for name, content in originals.items():
        if ("merged" if name.startswith("compacted-") else "own") in left:
            put(root, name, content)
    assert strictly(root).equals(before)
    compact_rows(root)
    assert strictly(root).equals(before)
    assert len(files(root)) == 1


def test_a_crash_between_merging_and_deleting_repeats_no_row(three: str) -> None:
    """The merged file and some originals are there together."""
    before, originals = read_results(three), files(three)
    compact_rows(three)
    for kept in ("key0.parquet", "key2.parquet"):
        put(three, kept, originals[kept])
    assert strictly(three).equals(before)
    compact_rows(three)
    assert strictly(three).equals(before)
    assert len(files(three)) == 1


def test_a_file_that_was_merged_before_generations_had_numbers_is_the_oldest(three: str) -> None:
    (content,) = [files(three)["key2.parquet"]]
    put(three, "compacted-0123456789abcdef.parquet", content)
    open_root(three).delete("rows/s/key2.parquet")
    before = read_results(three)
    write_rows(three, "s", "key2", trial("b-0", epochs=1, minute=5))
    assert strictly(three).equals(before)
    compact_rows(three)
    assert strictly(three).equals(before)


def test_compacting_keeps_a_damaged_file_for_inspection(three: str) -> None:
    torn = files(three)["key1.parquet"][:50]
    put(three, "key1.parquet", torn)
    with pytest.warns(UserWarning, match="key1"):
        compact_rows(three)
    assert files(three)["key1.parquet"] == torn
    assert len(files(three)) == 2
    with pytest.warns(UserWarning, match="key1"):
        assert set(read_finished_trials(three, "s")) == {"a-0", "b-0"}


def test_compacting_nothing_but_damage_makes_no_file(root: str) -> None:
    put(root, "k.parquet", b"")
    with pytest.warns(UserWarning, match=r"k\.parquet"):
        compact_rows(root)
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
    put(three, "other.parquet", encode_table(other))
    content, before = files(three)["other.parquet"], read_results(three)
    with pytest.warns(UserWarning, match="left 1 files of another version as they are"):
        assert main(["compact", "--storage", three]) == 0
    assert files(three)["other.parquet"] == content
    assert len(files(three)) == 2
    assert strictly(three).equals(before)
    assert "merged 5 files" in capsys.readouterr().out


@pytest.fixture
def driven(three: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The storage root of `three` while a driver is at the sweep `s`."""
    config = SweepConfig(name="s", task="digits-class:1", storage=three)
    with hold_sweep(config.name, config.storage, print):
        yield three


def test_a_sweep_that_is_being_run_is_not_merged(driven: str, capsys) -> None:  # type: ignore[no-untyped-def]
    """A worker that died after it had stored its trial's rows would run it again."""
    before = files(driven)
    assert main(["compact", "--storage", driven, "--sweep", "s"]) == 2
    said = capsys.readouterr().err
    assert "sweep 's' is being run by another process" in said
    assert said.count("\n") == 1
    assert files(driven) == before


def test_of_all_sweeps_the_one_that_is_being_run_is_left_out(driven: str, capsys) -> None:  # type: ignore[no-untyped-def]
    before = files(driven)
    write_rows(driven, "other", "key8", trial("a-1", sweep="other"))
    assert main(["compact", "--storage", driven]) == 0
    said = capsys.readouterr().out
    assert "left out: sweep 's' is being run" in said
    assert "merged 2 files" in said
    assert files(driven) == before
    assert len(files(driven, "other")) == 1


def test_the_only_sweep_is_not_merged_while_it_runs_and_one_line_says_so(root: str, capsys) -> None:  # type: ignore[no-untyped-def]
    for number in range(2):
        write_rows(root, "s", f"key{number}", trial(f"a-{number}"))
    with hold_sweep("s", root, print):
        assert main(["compact", "--storage", root]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "left out: sweep 's' is being run" in said.err
    assert len(files(root)) == 2


def test_nobody_drives_a_sweep_while_it_is_merged(three: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    config = SweepConfig(name="s", task="digits-class:1", storage=three)
    open_root(three).write("sweeps/s/config.json", config.to_json().encode())
    held: list[bool] = []
    storage = type(open_root(three))
    real = storage.delete
    monkeypatch.setattr(
        storage,
        "delete",
        lambda self, name: (held.append(is_held(config.name, config.storage)), real(self, name)),
    )
    assert main(["compact", "--storage", three, "--sweep", "s"]) == 0
    assert held == [True] * 3
    assert not is_held(config.name, config.storage)


def test_merging_makes_no_sweep_of_rows_that_have_none(three: str) -> None:
    assert main(["compact", "--storage", three]) == 0
    assert open_root(three).list_names() == ["rows/"]
