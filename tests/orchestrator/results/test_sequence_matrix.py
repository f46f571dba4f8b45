"""The numbers of an accuracy matrix in closed form, and the matrix as it is stored, told and drawn."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from analysis.forgetting_matrix import main
from orchestrator.results.figures.matrix import render_matrix
from orchestrator.results.sequences.files import (
    StoredSequence,
    list_sequences,
    read_sequence,
    write_sequence,
)
from orchestrator.results.sequences.matrix import ForgettingMatrix, fit_slope
from orchestrator.results.sequences.report import format_lines
from tasks.errors import InvalidValue

MODEL = np.array(
    [[1.0, 0.9, 0.8, 0.95], [0.1, 0.8, 0.8, 0.90], [0.3, 0.2, 0.7, 0.85], [0.2, 0.6, 0.1, 0.80]]
)
"""Accuracies of the original and after three requests, on a group of each and on one that stays."""


def made(model: np.ndarray = MODEL, references: int = 2, **changed: object) -> ForgettingMatrix:
    """A matrix whose references forget at once, and lose or gain nothing else."""
    perfect = np.repeat(model[:1], len(model), axis=0)
    for j in range(len(model) - 1):
        perfect[j + 1 :, j] = 0.0
    count = len(model) - 1
    settings = {
        "task": "made-class:a;class:b;class:c",
        "unlearner": "some",
        "requests": ("class:a", "class:b", "class:c")[:count],
        "groups": (*("class:a", "class:b", "class:c")[:count], "kept, test"),
        "model": model,
        "references": np.repeat(perfect[:, None], references, axis=1),
        "costs": np.array([1.0, 2.0, 3.0])[:count],
        "retrains": np.array([40.0, 30.0, 20.0])[:count],
    }
    return ForgettingMatrix(**(settings | changed))


def test_erosion_is_what_is_lost_on_what_stays() -> None:
    found = made().erosion(3)
    assert [e.unlearned for e in found] == pytest.approx([0.05, 0.10, 0.15])
    assert [e.references for e in found] == [0, 0, 0]
    assert [e.excess for e in found] == pytest.approx([0.05, 0.10, 0.15])


def test_the_slope_of_a_straight_loss_is_exact() -> None:
    slope = made().slope(3)
    assert slope is not None
    assert slope == pytest.approx((0.05, 0.05, 0.05))


def test_a_slope_has_the_interval_of_least_squares() -> None:
    """Values 0, 1, 1, 2: slope .6, residual variance .1, Σx² = 5, t(2; .975) = 4.302653."""
    slope = fit_slope(np.array([0.0, 1.0, 1.0, 2.0]))
    assert slope is not None
    assert slope.value == pytest.approx(0.6)
    assert slope.high - slope.value == pytest.approx(4.302653 * np.sqrt(0.1 / 5), abs=1e-6)
    assert fit_slope(np.array([0.0, 1.0])) is None


def test_backward_transfer_is_what_earlier_requests_did_to_later_groups() -> None:
    """Group b fell by .1 before its request, group c by .1."""
    found = made().backward_transfer()
    assert found is not None
    assert found.unlearned == pytest.approx(-0.1)
    assert found.references == 0


def test_reversal_is_the_furthest_return() -> None:
    """Group a came back from .1 to .3, group b from .2 to .6."""
    found = made().reversal()
    assert found is not None
    assert found.unlearned == pytest.approx(0.4)
    assert found.references == 0
    assert found.excess == pytest.approx(0.4)


def test_the_references_reversal_is_the_mean_of_each_one_s() -> None:
    """One reference has group a back by .3, the other group b by .1; of their mean it is .15."""
    references = np.zeros((4, 2, 4))
    references[2:, 0, 0] = 0.3
    references[3, 1, 1] = 0.1
    found = dataclasses.replace(made(), references=references).reversal()
    assert found is not None
    assert found.references == pytest.approx(0.2)


def test_a_single_request_has_neither_transfer_nor_reversal() -> None:
    single = made(MODEL[:2][:, [0, 3]])
    assert single.reversal() is None
    assert single.backward_transfer() is None
    assert [e.unlearned for e in single.erosion(1)] == pytest.approx([0.05])
    assert "reversal: -" in list(format_lines(single))


def test_costs_are_held_against_as_many_retrains() -> None:
    found = made()
    assert found.relative_cost == pytest.approx(6 / 90)
    assert found.break_even == pytest.approx(30 / 2)
    assert made(costs=np.zeros(3)).break_even == float("inf")


def test_without_references_nothing_stands_beside() -> None:
    found = made(references=0)
    assert found.expected is None
    reversal = found.reversal()
    assert reversal is not None
    assert reversal.references is None
    assert reversal.excess is None
    assert {e.references for e in found.erosion(3)} == {None}


@pytest.mark.parametrize("references", [0, 2])
def test_a_sequence_is_read_as_it_was_stored(tmp_path: Path, references: int) -> None:
    stored = StoredSequence(
        "some-1", made(references=references), [{"step": 1, "tow": None}], {"tow": 1.0}, {"seed": 3}
    )
    assert Path(write_sequence(str(tmp_path), stored)).is_file()
    found = read_sequence(str(tmp_path), "some-1")
    assert list_sequences(str(tmp_path)) == ["some-1"]
    assert (found.rows, found.whole, found.settings) == (stored.rows, stored.whole, stored.settings)
    for name in ("model", "references", "costs", "retrains"):
        assert np.array_equal(getattr(found.matrix, name), getattr(stored.matrix, name)), name
    assert list(format_lines(found.matrix)) == list(format_lines(stored.matrix))
    with pytest.raises(InvalidValue, match="unknown sequence 'other'; valid: some-1"):
        read_sequence(str(tmp_path), "other")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"requests": ["class:a"] * 6}, "does not fit"),
        ({"requests": []}, "does not fit"),
        ({"costs": []}, "costs does not fit its 3 requests and 4 groups"),
        ({"groups": [1, 2, 3, 4]}, "a name in it is no text"),
        ({"retrains": [1.0, 0.0, 1.0]}, "costs nothing"),
        ({"model": [[None] * 4] * 4}, "not finite"),
        ({"task": None}, "no text"),
        ({"groups": ["a"], "model": [[1.0]] * 4, "references": [[[1.0]]] * 4}, "does not fit"),
        ({"costs": [10**400, 1, 1]}, "too large"),
    ],
    ids=str,
)
def test_a_sequence_that_does_not_fit_together_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, object], said: str
) -> None:
    file = Path(write_sequence(str(tmp_path), StoredSequence("some-1", made(), [], {}, {})))
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    assert main([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: sequence 'some-1' cannot be read: ")
    assert said in line


@pytest.mark.parametrize("content", ["[]", "{}", "3", "no JSON"])
def test_a_file_that_holds_no_sequence_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    Path(write_sequence(str(tmp_path), StoredSequence("some-1", made(), [], {}, {}))).write_text(
        content
    )
    assert main([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "sequence 'some-1' cannot be read" in line


def test_a_store_decides_no_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a file says of itself is data: its picture lies where the file's own name says."""
    root = tmp_path / "root"
    file = Path(write_sequence(str(root), StoredSequence("some-1", made(), [], {}, {})))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": "/../../../evil"}))
    (tmp_path / "outside.json").write_bytes(file.read_bytes())
    assert main([str(root)]) == 0
    assert [f.name for f in tmp_path.rglob("*.png")] == ["forgetting_matrix-some-1.png"]
    assert main([str(root), "--name", "../../outside"]) == 2
    assert "unknown sequence '../../outside'; valid: some-1" in capsys.readouterr().err


def test_names_with_dollar_signs_are_drawn_as_they_are() -> None:
    """Matplotlib reads what stands between two as a formula, and fails on `_2_1`."""
    requests = ("class:$5_2_1", "class:$10", "class:c")
    picture = render_matrix(made(task="made-class:$5_2_1;class:$10;class:c", requests=requests))
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_script_prints_and_draws_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no sequence in" in capsys.readouterr().err
    stored = StoredSequence("some-1", made(), [], {}, {})
    write_sequence(str(tmp_path), stored)
    assert main([str(tmp_path), "--markdown"]) == 0
    said = capsys.readouterr().out
    assert "| 2 class:b | 0.300 (0.000) | 0.200 (0.000) | 0.700 (0.800) | 0.850 (0.950) |" in said
    assert "reversal: +0.400 (retrained +0.000)" in said
    picture = (tmp_path / "figures" / "forgetting_matrix-some-1.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert stored._repr_png_()[:8] == picture[:8]
    write_sequence(str(tmp_path), StoredSequence("some-2", made(), [], {}, {}))
    assert main([str(tmp_path)]) == 2
    assert "--name is one of some-1, some-2" in capsys.readouterr().err
    assert main([str(tmp_path), "--name", "some-2"]) == 0
