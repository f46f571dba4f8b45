"""Input that does not fit what is there: the storage, the data, the machine, or who reads the output."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from program import ENVIRONMENT, ROOT, SWEEP, command, rows_of

from orchestrator.results.store import write_rows

NOBODY = "http://127.0.0.1:9"
"""A proxy through which nothing can be downloaded: nothing listens on the discard port."""


def test_an_existing_name_with_another_configuration(trained, orchestrate):
    before = {f.name for f in (trained / "rows" / "first").iterdir()}
    refused = orchestrate("sweep", "--name", "first", "--trials", "9", "--storage", trained)
    assert refused.returncode == 2
    assert "trials was 3, now 9" in refused.stderr
    assert {f.name for f in (trained / "rows" / "first").iterdir()} == before


@pytest.mark.parametrize("command", ["sweep", "run", "resume"])
def test_a_storage_that_is_no_folder(tmp_path, capsys, command):
    from orchestrator.cli.main import main

    (tmp_path / "file").touch()
    what = {"sweep": SWEEP[1:], "run": ("--task", "digits-class:1", "--unlearner", "ssd")}
    for storage, reason in (
        ("gs://bucket/x", "neither a folder nor s3://"),
        (tmp_path / "file", "file"),
    ):
        arguments = what.get(command, ("never-started",))
        assert main([command, *arguments, "--storage", str(storage)]) == 2
        said = capsys.readouterr().err
        assert reason in said
        assert said.count("\n") == 1


def test_an_optuna_storage_that_cannot_be_opened_takes_no_name(tmp_path, capsys):
    from orchestrator.cli.main import main

    bad = (*SWEEP, "--storage", str(tmp_path), "--name", "db", "--optuna-storage", "nonsense")
    assert main(list(bad)) == 2
    assert "--optuna-storage nonsense" in capsys.readouterr().err
    assert not (tmp_path / "sweeps" / "db" / "config.json").exists()


@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_disk_under_a_listing_is_a_line_that_speaks_of_no_sweep(buffered):
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "PYTHONUNBUFFERED" or not buffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("list", "unlearners"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "trials" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_too_many_cpus_for_any_node(storage, orchestrate):
    refused = orchestrate(*SWEEP, "--cpus-per-trial", "5000", "--storage", storage)
    assert refused.returncode == 2
    assert "no node holds a trial of 5000 CPUs" in refused.stderr
    assert not (storage / "rows").exists()


def test_without_a_task_and_without_cifar10_the_digits_serve_and_say_so(
    storage, tmp_path, orchestrate
):
    (tmp_path / "empty").mkdir()
    done = orchestrate(
        "sweep", "--data-dir", tmp_path / "empty", "--unlearners", "ssd", "--trials", "1",
        "--storage", storage, https_proxy=NOBODY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "NOTICE" in done.stdout
    assert "digits-class:1" in done.stdout


def test_a_model_that_does_not_suit_the_digits_that_serve_instead(tmp_path, capsys, monkeypatch):
    from orchestrator.cli.main import main

    monkeypatch.setenv("https_proxy", NOBODY)
    arguments = ("--data-dir", str(tmp_path), "--model", "resnet9", "--storage", f"{tmp_path}/s")
    assert main(["sweep", *arguments]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "digits's images are 8 pixels wide" in said
    assert not (tmp_path / "s").exists()


def test_other_data_than_those_of_the_finished_trials(trained, tmp_path, orchestrate):
    storage = shutil.copytree(trained, tmp_path / "storage")
    rows = rows_of(storage, "first")
    shutil.rmtree(storage / "rows" / "first")
    write_rows(storage, "first", "all", [{**row, "data": "0123456789abcdef"} for row in rows])
    kept = (storage / "sweeps" / "first" / "config.json").read_bytes()
    refused = orchestrate("resume", "first", "--trials", "4", "--storage", storage)
    assert refused.returncode == 2
    assert (storage / "sweeps" / "first" / "config.json").read_bytes() == kept
    assert "0123456789abcdef" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert {r["data"] for r in rows_of(storage, "first")} == {"0123456789abcdef"}


def test_a_reader_that_leaves_early_is_no_error_to_speak_of():
    reading, writing = os.pipe()
    os.close(reading)
    listing = subprocess.run(
        command("list", "columns"),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    assert listing.returncode == 1
    assert listing.stderr == b""
