"""The results store: whole rows or none, whatever crashes; any reader opens it, old or new."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from orchestrator.columns import COLUMNS
from orchestrator.store import (
    ARROW,
    SCHEMA,
    compact,
    finished_trials,
    read_results,
    write_rows,
)
from tasks.evaluation import METRICS

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


def trial(trial_id: str, epochs: int = 2, minute: int = 0, **columns: Any) -> list[Row]:
    """The rows of one trial: a point per epoch, the last one final."""
    return [
        {
            "sweep": "s",
            "trial_id": trial_id,
            "role": "trial",
            "epoch": epoch,
            "final": epoch == epochs,
            "state": "complete",
            "test_accuracy": epoch / 10,
            "gradient_samples": 1000 * epoch,
            "finished_at": NOON + timedelta(minutes=minute),
            **columns,
        }
        for epoch in range(1, epochs + 1)
    ]


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage root that does not exist yet."""
    return tmp_path / "results"


@pytest.fixture
def three(storage: Path) -> Path:
    """A storage root with three trials of one sweep, and one of another."""
    for number, trial_id in enumerate(("a-0", "a-1", "b-0")):
        write_rows(storage, "s", f"key{number}", trial(trial_id, epochs=number + 1))
    write_rows(storage, "other", "key9", trial("a-0", sweep="other"))
    return storage


def names(storage: Path, sweep: str = "s") -> set[str]:
    """The files in a sweep's folder, hidden ones too."""
    return {f.name for f in (storage / "rows" / sweep).iterdir()}


def identities(table: pa.Table) -> list[tuple[str, str, int]]:
    """Which points a table has."""
    return [(r["sweep"], r["trial_id"], r["epoch"]) for r in table.to_pylist()]


def strictly(storage: Path, sweep: str | None = None) -> pa.Table:
    """Read where a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_results(storage, sweep)


def test_every_column_is_typed_and_documented_in_the_file_itself(three: Path) -> None:
    schema = pq.read_schema(three / "rows" / "s" / "key0.parquet")
    assert schema.names == list(COLUMNS)
    for name, column in COLUMNS.items():
        field = schema.field(name)
        assert field.type == ARROW[column.type]
        assert field.metadata[b"help"].decode() == column.help != ""
        assert field.metadata[b"unit"].decode() == column.unit
    assert schema.metadata[b"schema_version"] == b"1"


def test_seconds_flops_and_fractions_have_units() -> None:
    assert {COLUMNS[n].unit for n in COLUMNS if n.endswith("_seconds")} == {"s"}
    assert {COLUMNS[n].unit for n in METRICS} == {"fraction"}


def test_rows_come_back_as_they_were_written(storage: Path) -> None:
    rows = trial("a-0", epochs=3, params=json.dumps({"lr": 0.1}), error="ü\nline two")
    path = write_rows(storage, "s", "k", rows)
    assert path == str(storage / "rows" / "s" / "k.parquet")
    for written, read in zip(rows, read_results(storage).to_pylist(), strict=True):
        assert {name: read[name] for name in written} == written


def test_columns_that_are_absent_are_null(storage: Path) -> None:
    write_rows(storage, "s", "k", [{"sweep": "s", "trial_id": "a-0", "epoch": 0}])
    (row,) = read_results(storage).to_pylist()
    present = {name for name, value in row.items() if value is not None}
    assert present == {"sweep", "trial_id", "epoch"}
    assert list(row) == list(COLUMNS)


def test_an_unknown_column_is_an_error_that_names_it_and_writes_nothing(storage: Path) -> None:
    with pytest.raises(ValueError, match="test_acuracy"):
        write_rows(storage, "s", "k", trial("a-0", test_acuracy=0.5))
    assert not storage.exists()


def test_a_value_of_another_type_is_an_error_and_writes_nothing(storage: Path) -> None:
    with pytest.raises((pa.ArrowException, TypeError)):
        write_rows(storage, "s", "k", trial("a-0", gradient_samples="many"))
    assert read_results(storage).num_rows == 0


def test_no_results_are_an_empty_table_with_every_column(storage: Path) -> None:
    table = read_results(storage)
    assert table.num_rows == 0
    assert table.schema.names == list(COLUMNS)
    assert read_results(storage, "s").num_rows == 0
    assert finished_trials(storage, "s") == {}
    assert compact(storage) == (0, 0)


def test_one_sweep_or_all(three: Path) -> None:
    assert read_results(three).num_rows == 8
    assert read_results(three, "other").num_rows == 2
    assert set(read_results(three, "s")["trial_id"].to_pylist()) == {"a-0", "a-1", "b-0"}


def test_rows_are_in_order_of_trial_and_epoch(three: Path) -> None:
    found = identities(read_results(three))
    assert found == sorted(found)


def test_finished_trials_have_their_final_row(three: Path) -> None:
    write_rows(three, "s", "half", [{**r, "final": False} for r in trial("c-0")])
    trials = finished_trials(three, "s")
    assert {trial_id: len(rows) for trial_id, rows in trials.items()} == {
        "a-0": 1,
        "a-1": 2,
        "b-0": 3,
    }
    assert all(rows[-1]["final"] for rows in trials.values())


def test_running_the_same_trial_again_replaces_its_rows(three: Path) -> None:
    before = names(three)
    write_rows(three, "s", "key2", trial("b-0", epochs=2, minute=5, error="again"))
    assert names(three) == before
    rows = finished_trials(three, "s")["b-0"]
    assert [(r["epoch"], r["final"], r["error"]) for r in rows] == [
        (1, False, "again"), (2, True, "again"),
    ]  # fmt: skip


def test_running_a_trial_again_replaces_its_rows_after_a_compaction_too(three: Path) -> None:
    """Its old rows are in the merged file then: exactly one row per trial may be final."""
    compact(three)
    write_rows(three, "s", "key2", trial("b-0", epochs=2, minute=5, error="again"))
    rows = finished_trials(three, "s")["b-0"]
    assert [(r["epoch"], r["final"], r["error"]) for r in rows] == [
        (1, False, "again"), (2, True, "again"),
    ]  # fmt: skip
    compact(three)
    assert finished_trials(three, "s")["b-0"] == rows


def test_a_file_of_an_older_schema_reads_with_nulls(three: Path) -> None:
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
    pq.write_table(old, three / "rows" / "s" / "old.parquet")
    table = strictly(three)
    assert table.schema.names == list(COLUMNS)
    (row,) = [r for r in table.to_pylist() if r["trial_id"] == "z-0"]
    assert (row["test_accuracy"], row["epoch"], row["unlearn_seconds"]) == (0.5, 1, None)


def test_a_file_of_a_newer_schema_reads_without_what_is_unknown(three: Path) -> None:
    newer = SCHEMA.append(pa.field("mia_of_the_future", pa.float64()))
    rows = [{**r, "mia_of_the_future": 0.5} for r in trial("z-0")]
    pq.write_table(pa.Table.from_pylist(rows, schema=newer), three / "rows" / "s" / "new.parquet")
    table = strictly(three)
    assert table.schema.names == list(COLUMNS)
    assert ("s", "z-0", 2) in identities(table)


@pytest.mark.parametrize("left", [0, 4, 0.5, -1], ids=str)
def test_a_torn_file_is_skipped_with_a_warning_that_names_it(three: Path, left: float) -> None:
    torn = three / "rows" / "s" / "key1.parquet"
    content = torn.read_bytes()
    torn.write_bytes(content[: int(len(content) * left) if isinstance(left, float) else left])
    with pytest.warns(UserWarning, match=r"key1\.parquet") as caught:
        table = read_results(three)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert set(table["trial_id"].to_pylist()) == {"a-0", "b-0"}
    with pytest.warns(UserWarning, match=r"key1\.parquet"):
        assert set(finished_trials(three, "s")) == {"a-0", "b-0"}


def test_temporary_files_are_invisible_to_every_reader(three: Path) -> None:
    before = read_results(three)
    folder = three / "rows" / "s"
    (folder / ".key7.parquet.0123abcd").write_bytes(b"PAR1 half a fi")
    (folder / "notes.txt").write_text("not a result")
    assert strictly(three).equals(before)
    (folder / "notes.txt").unlink()
    assert ds.dataset(three / "rows").count_rows() == len(before)
    assert len(pd.read_parquet(three / "rows")) == len(before)


def test_other_readers_open_the_whole_store(three: Path) -> None:
    ours = read_results(three, "s")
    dataset = ds.dataset(three / "rows" / "s", format="parquet")
    assert dataset.schema.names == list(COLUMNS)
    assert dataset.count_rows() == len(ours)
    frame = pd.read_parquet(three / "rows" / "s")
    assert list(frame.columns) == list(COLUMNS)
    assert frame["test_accuracy"].sum() == pytest.approx(sum(ours["test_accuracy"].to_pylist()))
    assert str(frame["finished_at"].dt.tz) == "UTC"


def test_a_uri_names_the_same_store(storage: Path) -> None:
    write_rows(storage.as_uri(), "s", "k", trial("a-0"))
    assert read_results(storage).equals(read_results(storage.as_uri()))
    assert names(storage) == {"k.parquet"}


def test_compacting_keeps_the_rows_in_one_file_per_sweep(three: Path) -> None:
    before = read_results(three)
    assert compact(three) == (4, 8)
    assert len(names(three)) == len(names(three, "other")) == 1
    assert strictly(three).equals(before)
    assert ds.dataset(three / "rows").count_rows() == 8


def test_compacting_one_sweep_leaves_the_others(three: Path) -> None:
    untouched = names(three, "other")
    assert compact(three, "s") == (3, 6)
    assert names(three, "other") == untouched


def test_compacting_again_changes_nothing(three: Path) -> None:
    compact(three)
    before, files = read_results(three), len(list(three.rglob("*.parquet")))
    assert compact(three) == (2, 8)
    assert strictly(three).equals(before)
    assert len(list(three.rglob("*.parquet"))) == files


def test_new_trials_join_a_compacted_store(three: Path) -> None:
    compact(three)
    write_rows(three, "s", "key5", trial("d-0"))
    assert set(finished_trials(three, "s")) == {"a-0", "a-1", "b-0", "d-0"}
    compact(three)
    assert set(finished_trials(three, "s")) == {"a-0", "a-1", "b-0", "d-0"}
    assert len(names(three)) == 1


def test_a_crash_between_merging_and_deleting_repeats_no_row(three: Path, tmp_path: Path) -> None:
    """The merged file and some originals are there together."""
    before = read_results(three)
    shutil.copytree(three / "rows", tmp_path / "originals")
    compact(three)
    for kept in ("key0.parquet", "key2.parquet"):
        shutil.copy(tmp_path / "originals" / "s" / kept, three / "rows" / "s" / kept)
    assert strictly(three).equals(before)
    compact(three)
    assert strictly(three).equals(before)
    assert len(names(three)) == 1


def test_compacting_keeps_a_damaged_file_for_inspection(three: Path) -> None:
    torn = three / "rows" / "s" / "key1.parquet"
    torn.write_bytes(torn.read_bytes()[:50])
    with pytest.warns(UserWarning, match="key1"):
        compact(three)
    assert torn.read_bytes()[:4] == b"PAR1"
    assert len(names(three)) == 2
    with pytest.warns(UserWarning, match="key1"):
        assert set(finished_trials(three, "s")) == {"a-0", "b-0"}


def test_compacting_nothing_but_damage_makes_no_file(storage: Path) -> None:
    write_rows(storage, "s", "k", trial("a-0"))
    torn = storage / "rows" / "s" / "k.parquet"
    torn.write_bytes(b"")
    with pytest.warns(UserWarning, match="k.parquet"):
        compact(storage)
    assert names(storage) == {"k.parquet"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(three: Path) -> None:
    """A folder stands where the file would go: the rename at the end is refused."""
    before = names(three)
    (three / "rows" / "s" / "blocked.parquet").mkdir()
    with pytest.raises(OSError, match="blocked"):
        write_rows(three, "s", "blocked", trial("c-0"))
    assert names(three) == before | {"blocked.parquet"}


WRITER = """
import sys
from datetime import UTC, datetime
from orchestrator.store import write_rows

rows = [
    {"sweep": "s", "trial_id": "big-0", "epoch": e, "final": e == 79_999, "error": f"{e * e} of {e}"}
    for e in range(80_000)
]
print("ready", flush=True)
while True:
    write_rows(sys.argv[1], "s", "big", rows)
"""


def killed_while_writing(storage: Path) -> bool:
    """Kill a writer as soon as its temporary file is seen; whether that file was left behind."""
    folder = storage / "rows" / "s"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(storage)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        while not any(folder.glob(".big*")):
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    return any(folder.glob(".big*"))


def test_a_writer_killed_half_way_leaves_whole_files_alone(three: Path) -> None:
    caught = [killed_while_writing(three)]
    while not any(caught) and len(caught) < 10:
        caught.append(killed_while_writing(three))
    assert any(caught), "never killed in the middle of a write"
    table = strictly(three, "s")
    rows = [r for r in table.to_pylist() if r["trial_id"] != "big-0"]
    assert len(rows) == 6
    assert len(table) - len(rows) in (0, 80_000)
    compact(three)
    assert len(strictly(three, "s")) == len(table)


def test_several_processes_write_at_once(storage: Path) -> None:
    source = (
        "import sys; from orchestrator.store import write_rows\n"
        "for n in range(20):\n"
        "    rows = [{'sweep': 's', 'trial_id': sys.argv[2] + f'-{n}', 'epoch': 1, 'final': True}]\n"
        "    write_rows(sys.argv[1], 's', f'{sys.argv[2]}{n}', rows)\n"
        "    write_rows(sys.argv[1], 's', 'shared', [{**rows[0], 'trial_id': 'shared-0'}])\n"
    )
    command = [sys.executable, "-c", source, str(storage)]
    children = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b")]
    assert [child.wait() for child in children] == [0, 0]
    assert len(strictly(storage)) == 41
    assert len(names(storage)) == 41


@pytest.fixture
def reader() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run Python in a process where only the standard library, Arrow and our packages import."""
    guard = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'ray', 'optuna', 'sklearn', 'pandas', 'numpy',"
        " 'rich', 'cyclopts', 'filelock', 'torchvision', 'PIL'}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )

    def run(source: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", guard + source]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


def test_the_store_needs_pyarrow_alone(three: Path, reader) -> None:  # type: ignore[no-untyped-def]
    done = reader(
        "from orchestrator.store import compact, read_results, write_rows\n"
        f"write_rows({str(three)!r}, 's', 'k', [{{'sweep': 's', 'trial_id': 'x-0', 'epoch': 1}}])\n"
        f"print(compact({str(three)!r}), read_results({str(three)!r}).num_rows)\n"
    )
    assert done.stderr == ""
    assert done.stdout == "(5, 9) 9\n"
