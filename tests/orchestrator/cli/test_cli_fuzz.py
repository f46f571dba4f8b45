"""Whatever is typed: one line that says what is wrong and exit code 2, never a traceback."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.cli.listing import LISTINGS, SWEEPS
from orchestrator.cli.main import main
from orchestrator.config import PRESETS, SweepConfig

FLAGS = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(SweepConfig)]
WORDS = st.sampled_from(
    ["digits-class:1", "digits-random:.1", "ssd", "ssd,finetune", "auto", "1", "0", "-1", "nan", "inf", "1e999",
     "s3://bucket/x", "gs://x", "ray://x", "../x", "a/b", "\0", "", "[]", "{}", "None", "--help", *PRESETS]
)  # fmt: skip
ANYTHING = st.characters(codec="utf-8", exclude_characters="") | st.just("\udcff")
TEXT = WORDS | st.text(ANYTHING, max_size=30) | st.integers().map(str) | st.floats().map(str)
FUZZED = settings(max_examples=100)


def said(*arguments: str) -> str:
    """What the command says on standard error when it refuses its input, in one line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    assert code == 2, (code, out.getvalue(), err.getvalue())
    assert err.getvalue().count("\n") == 1
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return err.getvalue()


@pytest.fixture(scope="module")
def empty() -> Path:
    """A storage root where nothing was ever run."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@FUZZED
@given(flags=st.dictionaries(st.sampled_from(FLAGS), TEXT))
def test_any_values_of_any_flags_of_a_sweep(flags: dict[str, str]) -> None:
    """One value is always wrong, so that nothing is run."""
    given = {**flags, "--seed": "-1"}
    said("sweep", *(f"{flag}={value}" for flag, value in given.items()))


@FUZZED
@given(words=st.lists(TEXT, max_size=4))
def test_any_words(words: list[str]) -> None:
    said("sweep", "--seed=-1", *(word for word in words if word not in ("--help", "-h")))


@FUZZED
@given(
    assignments=st.lists(TEXT | st.tuples(TEXT, TEXT).map("=".join), max_size=3),
    task=TEXT,
    seed=TEXT,
)
@example(assignments=["lr=" + "9" * 5000], task="digits-class:1", seed="0")
def test_any_values_of_a_single_run(
    assignments: list[str], task: str, seed: str, empty: Path
) -> None:
    settings = [f"--set={text}" for text in assignments]
    said("run", f"--task={task}", "--unlearner=ssd", f"--seed={seed}", "--trial-seed=-1", *settings,
         f"--storage={empty}")  # fmt: skip


@FUZZED
@given(
    command=st.sampled_from(["resume", "status", "delete", "report"]),
    name=TEXT.filter(lambda t: not t.startswith("-")),
)
def test_any_name_of_a_sweep_that_is_not_there(command: str, name: str, empty: Path) -> None:
    assert "--name" in (line := said(command, name, f"--storage={empty}")) or "no sweep" in line


@FUZZED
@given(sweep=TEXT)
def test_any_sweep_to_compact(sweep: str, empty: Path) -> None:
    said("compact", f"--sweep={sweep}", f"--storage={empty}")


@FUZZED
@given(what=TEXT.filter(lambda t: not t.startswith("-") and t not in (SWEEPS, *LISTINGS)))
def test_any_listing(what: str) -> None:
    assert "unlearners" in said("list", what)


@pytest.mark.parametrize("flag", FLAGS)
def test_what_is_as_long_as_can_be_typed_is_refused_in_a_line_that_can_be_read(flag: str) -> None:
    assert len(said("sweep", f"{flag}={'x' * 120_000}", "--seed=-1")) < 1100
