"""`orchestrator submit`: what is refused before anything is sent, and the command that is sent."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import ROOT

from orchestrator.cli.main import app, main
from orchestrator.cluster.jobs import build_command, build_entrypoint
from orchestrator.cluster.own_code import package_code
from orchestrator.config import JobConfig, SweepConfig
from tasks.errors import InvalidValue

PROGRAM = "python -u -m orchestrator"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--storage", "results"), "absolute path or a URI"),
        (("--data-dir", "data", "--storage", "/mnt/sweeps"), "--data-dir data"),
        (("--sampler", "tpee"), "valid: tpe"),
        (("--name", "../up"), "letters, digits"),
        (("--address", "auto"), "give http://HOST:PORT"),
        (("--address", "http://127.0.0.1:1"), "http://127.0.0.1:1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_submitted_is_one_line(arguments, named, capsys):
    assert main(["submit", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("orchestrator: ")
    assert named in said
    assert said.count("\n") == 1


def test_the_address_that_is_given_goes_before_rays_environment(capsys, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:2")
    assert main(["submit", "--address", "http://127.0.0.1:1"]) == 2
    said = capsys.readouterr().err
    assert "127.0.0.1:2" not in said
    assert "127.0.0.1:1" in said


def in_a_shell(entrypoint: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The arguments that the shell of a job would give the program, one a line."""
    shown = entrypoint.replace(PROGRAM, r"printf '%s\n'", 1)
    return subprocess.run(["sh", "-c", shown], env=variables, capture_output=True, text=True)


@pytest.mark.parametrize(
    "config",
    [
        JobConfig(name="plain"),
        JobConfig(
            name="full", task="cifar10-share:.1", unlearners=("finetune", "ssd"), trials=7,
            objective="validation_accuracy_retained:max,relative_cost:min", sampler="gp",
            data_dir=Path("/data/it's here; $HOME"), seed=3, max_concurrent=8, gpus_per_trial=0.25,
            calibration=True,
        ),
    ],
    ids=lambda config: config.name,
)  # fmt: skip
def test_the_job_runs_a_sweep_with_the_settings_that_were_given(config):
    entrypoint = build_entrypoint(config)
    assert entrypoint.startswith(PROGRAM)
    there = in_a_shell(entrypoint, ORCHESTRATOR_STORAGE="/mnt/the sweeps").stdout.splitlines()
    _, bound, _ = app.parse_args(there, exit_on_error=False)
    expected = dataclasses.asdict(config) | {"address": "auto", "storage": "/mnt/the sweeps"}
    assert bound.arguments["config"] == SweepConfig(**expected)


def test_a_storage_root_that_is_given_goes_before_the_clusters_own():
    there = in_a_shell(
        build_command("status", "x", storage="/mnt/a"), ORCHESTRATOR_STORAGE="/mnt/b"
    )
    assert there.stdout.splitlines() == ["status", "x", "--storage", "/mnt/a"]


def test_a_job_without_a_storage_root_says_so_and_runs_nothing():
    there = in_a_shell(build_command("status", "x", storage=""))
    assert there.returncode != 0
    assert there.stdout == ""
    assert "no --storage was given, and the head of this cluster sets none" in there.stderr


def test_a_relative_path_means_nothing_there():
    with pytest.raises(InvalidValue, match="absolute path or a URI"):
        build_command("status", "x", storage="results")


OURS = "import json; from orchestrator.cluster.connection import package_code; print(json.dumps(package_code()))"


@pytest.mark.parametrize("installed", [False, True])
def test_what_is_sent_is_our_packages_and_nothing_beside_them(tmp_path, installed):
    """Neither what `pip install` put there, nor what lies in a checkout: models, environments, secrets."""
    for package in ("orchestrator", "tasks"):
        shutil.copytree(ROOT / package, tmp_path / package)
    (tmp_path / "somebody_elses").mkdir()
    (tmp_path / ".env").write_text("TOKEN=secret")
    if not installed:
        (tmp_path / "pyproject.toml").touch()
    sent = json.loads(subprocess.check_output([sys.executable, "-c", OURS], cwd=tmp_path))
    assert sent["py_modules"] == [f"{tmp_path}/orchestrator", f"{tmp_path}/tasks"]
    assert "working_dir" not in sent


def test_every_file_of_ours_is_sent():
    """Neither `excludes` nor a .gitignore in a package, both of which Ray heeds, names a file of the program."""
    from ray._private.thirdparty.pathspec import PathSpec

    packages = [ROOT / package for package in ("orchestrator", "tasks")]
    assert [package for package in packages if any(package.rglob(".gitignore"))] == []
    left_out = PathSpec.from_lines("gitwildmatch", package_code()["excludes"])
    files = [f for package in packages for f in package.rglob("*.*") if f.suffix != ".pyc"]
    assert {".py", ".html", ".css", ".js"} <= {f.suffix for f in files}
    assert [f for f in files if left_out.match_file(str(f.relative_to(ROOT)))] == []
    assert left_out.match_file("orchestrator/__pycache__/api.pyc")


def test_a_password_is_put_into_no_jobs_command(capsys):
    url = "postgresql://alice:s3cretPW@127.0.0.1:1/db"
    assert main(["submit", "--optuna-storage", url, "--storage", "/mnt/sweeps"]) == 2
    said = capsys.readouterr().err
    assert "ORCHESTRATOR_OPTUNA_PASSWORD" in said
    assert "s3cretPW" not in said
