"""`--deterministic`: two sweeps with the same seed have the same rows, but for what a clock says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from program import rows_of

import orchestrator
from orchestrator.cli.main import main
from orchestrator.config import SweepConfig
from orchestrator.results.columns import COLUMNS
from orchestrator.sweeps.folder import read_config, store_config
from orchestrator.sweeps.plan import adopt_stored
from tasks.storage.roots import open_root

CLOCKS = {name for name, column in COLUMNS.items() if column.is_clock}
METHODS = ("finetune", "noisy-finetune", "fisher-forgetting", "ssd")


def compare(rows: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The rows by trial and epoch, without what a clock says and what names the sweep."""
    return {
        (row["trial_id"], row["epoch"]): {
            name: value for name, value in row.items() if name not in CLOCKS | {"sweep"}
        }
        for row in rows
    }


class Order(orchestrator.Observer):
    """Notes the order in which trials end."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def trial_finished(self, rows, progress):
        """See Observer."""
        self.ended.append(rows[-1]["validation_accuracy_retained"])


def test_two_sweeps_with_the_same_seed_have_the_same_rows(storage, tmp_path):
    """The second has fewer trials at first, and is resumed; its log has those of both drivers."""
    other = Path(shutil.copytree(storage, tmp_path / "other"))
    settings = {"task": "digits-class:1", "unlearners": METHODS, "references": 2}
    settings["deterministic"] = True
    first, second, log = Order(), Order(), f"csv:{tmp_path}/rows.csv"
    orchestrator.sweep(**settings, trials=3, name="a", storage=storage, observers=[first])
    orchestrator.sweep(**settings, trials=2, name="b", storage=other, observers=[second], log=log)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == len(rows_of(other, "b")) + 1
    orchestrator.resume("b", trials=3, storage=other, observers=[second], log=[log])
    rows = compare(rows_of(storage, "a"))
    assert compare(rows_of(other, "b")) == rows
    assert len(first.ended) == 12
    assert second.ended == first.ended
    assert len({trial_id for trial_id, _ in rows}) == 12 + 3
    assert read_config("b", str(other)).deterministic
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == len(rows) + 1


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--max-concurrent", "2"], "one trial at a time, not 2"),
        (["--trial-seconds", "60"], "lets a clock decide"),
        (["--objective", "validation_accuracy:max,unlearn_seconds:min"], "reads a clock (unlearn_seconds)"),
        (["--require", "run_time_efficiency>=2"], "reads a clock (run_time_efficiency)"),
    ],
)  # fmt: skip
def test_what_lets_a_clock_decide_is_refused_in_one_line(flags, reason, capsys, tmp_path):
    assert main(["sweep", "--deterministic", *flags, "--storage", str(tmp_path / "s")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert not (tmp_path / "s").exists()


def test_every_objective_by_name_may_be_deterministic():
    for objective in ("pareto", "forget", "score", "time", "mia", "accuracy"):
        assert SweepConfig(objective=objective, deterministic=True).validate().deterministic


def test_a_sweep_that_exists_stays_deterministic(tmp_path):
    config = SweepConfig(
        task="digits-class:1", name="s", storage=str(tmp_path), deterministic=True, trials=1
    ).validate()
    store_config(config, open_root(f"{tmp_path}/sweeps/s"))
    assert json.loads((tmp_path / "sweeps/s/config.json").read_text())["deterministic"] is True
    again = SweepConfig(task="digits-class:1", name="s", storage=str(tmp_path)).validate()
    assert adopt_stored(again).deterministic
