"""The results store: typed, documented rows that come back as written; any reader opens it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from program import ROOT
from store_rows import files, identities, put, strictly, trial

from orchestrator.results.columns import COLUMNS
from orchestrator.results.files import ARROW, encode_table
from orchestrator.results.store import (
    compact_rows,
    read_finished_trials,
    read_results,
    read_stored_rows,
    write_rows,
)
from tasks.evaluation import METRICS, list_in_rows, list_on_request
from tasks.storage.roots import open_root


def test_every_column_is_typed_and_documented_in_the_file_itself(three: str) -> None:
    schema = pq.read_schema(io.BytesIO(files(three)["key0.parquet"]))
    described = json.loads(schema.metadata[b"columns"])
    assert schema.names == list(COLUMNS)
    for name, column in COLUMNS.items():
        field = schema.field(name)
        assert field.type == ARROW[column.type]
        assert described[name] == {"help": column.help, "unit": column.unit}
        assert column.help
    assert schema.metadata[b"schema_version"] == b"2"


def test_seconds_flops_and_fractions_have_units() -> None:
    assert {COLUMNS[n].unit for n in COLUMNS if n.endswith("_seconds")} == {"s"}
    assert {COLUMNS[n].unit for n in list_in_rows()} == {
        "fraction",
        "bits",
        "flag",
        "difference",
        "sum of shares",
    }
    others = {"difference", "ratio", "nats"}
    assert {COLUMNS[n].unit for n in list_on_request()} == {"fraction", *others}
    assert {n for n in METRICS if COLUMNS[n].half == "test"} >= {"tow", "indistinguishability"}


def test_rows_come_back_as_they_were_written(root: str) -> None:
    rows = trial("a-0", epochs=3, params=json.dumps({"lr": 0.1}), error="ü\nline two")
    assert write_rows(root, "s", "k", rows) == rows
    assert set(files(root)) == {"k.parquet"}
    for written, read in zip(rows, read_results(root).to_pylist(), strict=True):
        assert {name: read[name] for name in written} == written
    assert read_stored_rows(root, "s", "k") == read_results(root).to_pylist()
    assert read_stored_rows(root, "s", "another") == []


def test_columns_that_are_absent_are_null(root: str) -> None:
    write_rows(root, "s", "k", [{"sweep": "s", "trial_id": "a-0", "epoch": 0}])
    (row,) = read_results(root).to_pylist()
    present = {name for name, value in row.items() if value is not None}
    assert present == {"sweep", "trial_id", "epoch"}
    assert list(row) == list(COLUMNS)


def test_an_unknown_column_is_an_error_that_names_it_and_writes_nothing(root: str) -> None:
    with pytest.raises(ValueError, match="test_acuracy"):
        write_rows(root, "s", "k", trial("a-0", test_acuracy=0.5))
    assert open_root(root).list_names() == []


def test_a_value_of_another_type_is_an_error_and_writes_nothing(root: str) -> None:
    with pytest.raises((pa.ArrowException, TypeError)):
        write_rows(root, "s", "k", trial("a-0", gradient_samples="many"))
    assert open_root(root).list_names() == []


def test_no_results_are_an_empty_table_with_every_column(root: str) -> None:
    table = read_results(root)
    assert table.num_rows == 0
    assert table.schema.names == list(COLUMNS)
    assert read_results(root, "s").num_rows == 0
    assert read_finished_trials(root, "s") == {}
    assert compact_rows(root) == (0, 0)


def test_one_sweep_or_all(three: str) -> None:
    assert read_results(three).num_rows == 8
    assert read_results(three, "other").num_rows == 2
    assert set(read_results(three, "s")["trial_id"].to_pylist()) == {"a-0", "a-1", "b-0"}


def test_some_columns_are_those_of_the_same_rows(three: str) -> None:
    """Of a trial that was stored twice, too: which rows count is not said by the columns asked for."""
    put(three, "again.parquet", encode_table(read_results(three, "s").slice(0, 2)))
    every = read_results(three)
    some = read_results(three, columns=["epoch", "test_accuracy", "epoch"])
    assert some.equals(every.select(["epoch", "test_accuracy"]))


def test_an_unknown_column_to_read_lists_the_valid_ones(three: str) -> None:
    with pytest.raises(ValueError, match=r"test_acuracy.*did you mean test_accuracy.*valid:"):
        read_results(three, columns=["test_acuracy"])


def test_rows_are_in_order_of_trial_and_epoch(three: str) -> None:
    found = identities(read_results(three))
    assert found == sorted(found)


def test_finished_trials_have_their_final_row(three: str) -> None:
    write_rows(three, "s", "half", [{**r, "final": False} for r in trial("c-0")])
    trials = read_finished_trials(three, "s")
    assert {trial_id: len(rows) for trial_id, rows in trials.items()} == {
        "a-0": 1,
        "a-1": 2,
        "b-0": 3,
    }
    assert all(rows[-1]["final"] for rows in trials.values())


def test_the_first_rows_of_a_trial_stay_and_who_comes_later_is_given_them(three: str) -> None:
    """A worker that was cut off ends its trial after another one has: the study knows the other's."""
    before, content = read_finished_trials(three, "s")["b-0"], files(three)
    late = trial("b-0", epochs=2, minute=5, error="late")
    assert write_rows(three, "s", "key2", late) == before
    assert files(three) == content


def test_rows_that_are_damaged_are_replaced(three: str) -> None:
    put(three, "key2.parquet", files(three)["key2.parquet"][:50])
    again = trial("b-0", epochs=2, minute=5, error="again")
    assert write_rows(three, "s", "key2", again) == again
    found = read_finished_trials(three, "s")["b-0"]
    assert [(r["epoch"], r["final"], r["error"]) for r in found] == [
        (1, False, "again"), (2, True, "again"),
    ]  # fmt: skip


def test_other_readers_open_the_whole_store(tmp_path: Path) -> None:
    for number in range(3):
        write_rows(tmp_path, "s", f"key{number}", trial(f"a-{number}", epochs=number + 1))
    ours, folder = read_results(tmp_path), tmp_path / "rows" / "s"
    dataset = ds.dataset(folder, format="parquet")
    assert dataset.schema.names == list(COLUMNS)
    assert dataset.count_rows() == len(ours) == 6
    frame = pd.read_parquet(folder)
    assert list(frame.columns) == list(COLUMNS)
    assert frame["test_accuracy"].sum() == pytest.approx(sum(ours["test_accuracy"].to_pylist()))
    assert str(frame["finished_at"].dt.tz) == "UTC"


def test_a_uri_names_the_same_store(tmp_path: Path) -> None:
    write_rows(tmp_path.as_uri(), "s", "k", trial("a-0"))
    assert read_results(tmp_path).equals(read_results(tmp_path.as_uri()))
    assert set(files(str(tmp_path))) == {"k.parquet"}


def test_several_processes_write_at_once(root: str) -> None:
    source = (
        "import sys; from orchestrator.results.store import write_rows\n"
        "for n in range(20):\n"
        "    rows = [{'sweep': 's', 'trial_id': sys.argv[2] + f'-{n}', 'epoch': 1, 'final': True}]\n"
        "    write_rows(sys.argv[1], 's', f'{sys.argv[2]}{n}', rows)\n"
        "    write_rows(sys.argv[1], 's', 'shared', [{**rows[0], 'trial_id': 'shared-0'}])\n"
    )
    command = [sys.executable, "-c", source, root]
    children = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b")]
    assert [child.wait() for child in children] == [0, 0]
    assert len(strictly(root)) == 41
    assert len(files(root)) == 41


@pytest.fixture
def reader() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run Python in a process where only the standard library, Arrow, NumPy and our packages import."""
    guard = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'ray', 'optuna', 'sklearn', 'pandas', 'scipy',"
        " 'rich', 'cyclopts', 'filelock', 'boto3', 'torchvision', 'PIL'}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )

    def run(source: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", guard + source]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


def test_the_store_needs_pyarrow_and_numpy_alone(tmp_path: Path, reader) -> None:  # type: ignore[no-untyped-def]
    write_rows(tmp_path, "s", "a", trial("a-0"))
    done = reader(
        "from orchestrator.results.store import compact_rows, read_results, write_rows\n"
        f"root = {str(tmp_path)!r}\n"
        "write_rows(root, 's', 'k', [{'sweep': 's', 'trial_id': 'x-0', 'epoch': 1}])\n"
        "print(compact_rows(root), read_results(root).num_rows)\n"
    )
    assert done.stderr == ""
    assert done.stdout == "(2, 3) 3\n"


GROWN = """
import resource, sys
from orchestrator.results.store import compact_rows, read_results
small, large = sys.argv[1:]
peaks = []
for storage in (small, large):
    read_results(storage)
    compact_rows(storage)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print((peaks[1] - peaks[0]) // 1024)
"""


@pytest.mark.slow  # half a minute
def test_what_thousands_of_files_hold_takes_little_memory(tmp_path: Path) -> None:
    """A table that is read from a file of its own takes 200 KB, whatever it holds."""
    small, large = str(tmp_path / "small"), str(tmp_path / "large")
    for storage, count in ((small, 1), (large, 2000)):
        for number in range(count):
            write_rows(storage, "s", f"k{number}", trial(f"a-{number}", epochs=1))
    done = subprocess.run(
        [sys.executable, "-c", GROWN, small, large],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 150, "MB"
