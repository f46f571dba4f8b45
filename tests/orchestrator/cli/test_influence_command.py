"""`orchestrator influence`: for real on the digits, from the command line and from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread

import orchestrator
from orchestrator.cli.main import main
from orchestrator.results.influence import COLUMNS
from tasks.datasets.digits import load_digits

EXAMPLE = 43
"""An eight that is drawn like a one; the original takes it for one."""
QUERY = ["--task", "digits-class:1", "--test-example", str(EXAMPLE), "--damping", "1"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage root of this file."""
    return tmp_path_factory.mktemp("influence")


def test_it_prints_draws_and_stores_what_python_gives(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, scores = tmp_path / "found.png", tmp_path / "found.parquet"
    line = [*QUERY, "--top", "3", "--storage", str(root)]
    assert main(["influence", *line, "--output", str(picture), "--scores", str(scores)]) == 0
    said = capsys.readouterr().out
    assert "training the original model: epoch 20/20" in said
    assert f"held-out example {EXAMPLE}: class 8, predicted " in said
    assert imread(picture).shape[2] == 4

    table = pq.read_table(scores)
    assert {f.name: f.metadata[b"help"].decode() for f in table.schema} == COLUMNS
    data, influence = load_digits(), table["influence"].to_numpy()
    assert table["class"].to_pylist() == [str(label) for label in data.train.labels]
    forgotten = table["in_forget_set"].to_numpy()
    assert (forgotten == (data.train.labels == 1)).all()
    order = np.argsort(-influence)
    printed = [row.split() for row in said.splitlines() if row.strip()[:1] in ("1", "2", "3")]
    assert [int(row[1]) for row in printed] == [*order[:3], *order[::-1][:3]]
    values = influence[[int(row[1]) for row in printed]]
    assert [float(row[2]) for row in printed] == pytest.approx(values, rel=0.01)
    assert [row[3] == "yes" for row in printed] == [forgotten[int(row[1])] for row in printed]
    assert f"(126 examples): {influence[forgotten].sum():+.3g};" in said
    assert influence[data.train.labels == 8].sum() > 0 > influence[forgotten].sum()

    found = orchestrator.influence("digits-class:1", EXAMPLE, damping=1.0, storage=root)
    assert found.table.equals(table)
    assert found.render_png(3) == picture.read_bytes()
    assert list(found.helpful(3)) == list(order[:3])


def test_a_solver_of_another_name_and_a_share_of_the_curvature(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*QUERY, "--storage", str(root), "--output", str(tmp_path / "a.png")]
    assert main(["influence", *line, "--solver", "ekfac", "--curvature-examples", "100"]) == 0
    assert "solver ekfac, damping 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["--test-example", "599"], "held-out examples 0..598"),
        (["--test-example=-1"], "held-out examples 0..598"),
        (["--test-example", "two"], "two"),
        (["--solver", "lisa"], "did you mean lissa?"),
        (["--solver", "math:sqrt"], "not a subclass"),
        (["--damping", "0"], "above 0"),
        (["--damping", "nan"], "above 0"),
        (["--curvature-examples", "0"], "at least 1"),
        (["--top", "0"], "at least 1"),
        (["--output", "found.jpg"], "must end in .png"),
        (["--output", "/no/such/folder/found.png"], "/no/such/folder is not a folder"),
        (["--scores", "found.csv"], "must end in .parquet"),
        (["--task", "digit-class:1"], "digits-class:1"),
        (["--task", "cifar10-class:automobile", "--data-dir", "/no/such/folder"], "--data-dir"),
        (["--seed", "-1"], "--seed -1"),
        (["--device", "tpu"], "auto, cpu, cuda"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: list[str], expected: str
) -> None:
    given = {**dict(zip(QUERY[::2], QUERY[1::2], strict=True)), "--output": f"{tmp_path}/a.png"}
    flags = {flag.partition("=")[0] for flag in changed if flag.startswith("--")}
    kept = [word for flag, value in given.items() if flag not in flags for word in (flag, value)]
    assert main(["influence", *kept, *changed, "--storage", str(tmp_path / "storage")]) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_data_that_are_missing_are_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    (tmp_path / "data").mkdir()
    line = ["--task", "cifar10-class:automobile", "--test-example", "0", "--data-dir", f"{tmp_path}/data"]  # fmt: skip
    assert main(["influence", *line, "--storage", f"{tmp_path}/s", "--output", f"{tmp_path}/a.png"]) == 2  # fmt: skip
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "s").exists()
