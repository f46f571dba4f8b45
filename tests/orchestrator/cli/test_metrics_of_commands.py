"""`--metrics` of `run` and `confirm` from the shell, seen to the end: looks, shadow models on the cluster, losses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from program import rows_of

from orchestrator.cli.main import main
from orchestrator.results.store import read_results
from orchestrator.sweeps.confirm import plan_repeats
from tasks.evaluation import choose_metrics, list_of_shadows, list_on_request

RECIPE = "epochs=4"
Orchestrate = Callable[..., "subprocess.CompletedProcess[str]"]
SHADOWED = "zrf,u_lira_auc,rmia_online_auc,swap_advantage,klom_mean"


def test_run_prints_every_metric_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--task", "digits-class:1", "--storage", str(tmp_path), "--recipe", RECIPE]
    assert main(["run", "--unlearner", "ssd", "--metrics", "all", *where]) == 0
    said = capsys.readouterr().out
    values = dict(re.findall(r"^ {4}(\w+) = (\S+)$", said.rpartition("epoch ")[2], re.MULTILINE))
    assert {*choose_metrics("all")} <= {*values}
    assert not {*list_of_shadows()} & {*values}
    undefined = {n for n in list_on_request() if values.get(n) == "-"}
    assert all("tpr" in n or n == "ain" for n in undefined), "28 examples show no 1 %"


def test_shadow_models_are_of_the_first_fresh_seed(trained: Path) -> None:
    plans = plan_repeats("first", 3, str(trained), None, "methods", "shadows,zrf", shadows=8)
    asked = [set(choose_metrics(plan.metrics)) for plan in plans]
    assert asked == [{"zrf", *list_of_shadows()}, {"zrf"}, {"zrf"}]
    plain = plan_repeats("first", 3, str(trained), None, "methods", "zrf")
    assert [p.name for p in plans][1:] == [p.name for p in plain][1:]
    more = plan_repeats("first", 1, str(trained), None, "methods", "shadows,zrf", shadows=12)
    assert more[0].name != plans[0].name, "of other shadow models it is another confirmation"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["confirm", "first", "--metrics", "u_lira_auc", "--shadows", "9"], "multiples of 4"),
        (
            ["sweep", "--metrics", "u_lira_auc"],
            "`orchestrator run` and `confirm` do, and no search",
        ),
        (["confirm", "first", "--metrics", "zfr"], "did you mean zrf?"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    trained: Path, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--storage", str(trained)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


@pytest.mark.slow  # a sweep of its own, and 16 further models
def test_confirm_measures_by_looks_and_by_shadow_models_to_the_end(
    tmp_path: Path, orchestrate: Orchestrate
) -> None:
    page = tmp_path / "live.html"
    done = orchestrate(
        "sweep", "--task", "digits-class:1", "--name", "s", "--unlearners", "lfssd,ssd", "--trials", "2",
        "--references", "4", "--recipe", RECIPE, "--storage", tmp_path, "--report", page,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"refresh":null' in page.read_text()
    assert f"report: {page}" in done.stdout
    asked = (
        "confirm", "s", "--points", "methods", "--seeds", "2", "--metrics", SHADOWED, "--shadows", "8",
        "--storage", tmp_path,
    )  # fmt: skip
    done = orchestrate(*asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOTICE: 10 shadow models are trained" in done.stdout
    assert "shadow-7 model: epoch 4/4" in done.stdout
    assert "the weights of 10 shadow models are deleted" in done.stdout
    (first,) = [n for n in sweeps(tmp_path) if n.startswith("s+methods-metrics-") and "seed-1" in n]
    rows = [row for row in rows_of(tmp_path, first) if row["role"] == "trial" and row["final"]]
    assert len(rows) == 2
    assert all(row[name] is not None for row in rows for name in SHADOWED.split(","))
    others = [row for row in rows_of(tmp_path, first) if row["role"] != "trial"]
    assert all(row["u_lira_auc"] is None and row["zrf"] is not None for row in others)
    weights = len(list((tmp_path / "artifacts").glob("*.pt")))
    assert weights == 3 * 5, "an original and four references of each seed"
    assert "u_lira_auc" in done.stdout
    again = orchestrate(*asked)
    assert again.returncode == 0
    assert "training the" not in again.stdout


def sweeps(storage: Path) -> set[str]:
    return {*read_results(storage)["sweep"].to_pylist()}
