"""Loggers that fail while a sweep runs, and those that are refused before it begins; no password is shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from program import ROOT, resume, rows_of, trials_of

import orchestrator
from orchestrator.cli.main import main
from orchestrator.loggers import LOGGERS, open_loggers
from orchestrator.loggers.base import Logger
from tasks.errors import InvalidValue


class Broken(Logger):
    """Fails at its second trial, with a secret in the message."""

    secret = "hunter2"
    seen = 0

    def log(self, rows):
        """See Logger."""
        Broken.seen += 1
        if Broken.seen == 2:
            raise RuntimeError(f"no connection to db://me:{self.secret}@host\nand more lines")


class Exits(Logger):
    """Ends the process, as it thinks."""

    def begin(self, sweep):
        """See Logger."""
        sys.exit("a tracker that exits")


def test_a_logger_that_fails_is_one_notice_and_the_others_go_on(ended, tmp_path):
    Broken.seen = 0
    said = resume(ended, "test_loggers:Broken:db", "test_loggers:Exits", f"csv:{tmp_path}/a.csv")
    notices = [text for text in said if "NOTICE" in text]
    assert len(notices) == 2
    assert "test_loggers:Exits logs no longer (a tracker that exits)" in notices[0]
    assert "test_loggers:Broken:db logs no longer (no connection to db://me:***@host)" in notices[1]
    assert Broken.seen == 2
    assert len((tmp_path / "a.csv").read_text().splitlines()) == len(rows_of(ended, "first")) + 1


def test_a_disk_that_is_full_ends_the_csv_logger_alone(ended):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    logger = open_loggers([f"csv:{ended}/a.csv"])[0]
    logger.begin("first")
    (ended / "a.csv").unlink()
    (ended / "a.csv").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        logger.log(trials_of(ended)["original"])


def test_a_password_is_neither_shown_nor_stored(capsys, tmp_path):
    config = orchestrator.SweepConfig(task="digits-class:1", log=("mlflow:http://me:hunter2@host",))
    logger = open_loggers(config.log)[0]
    assert logger.shown == "mlflow:http://me:***@host"
    assert "hunter2" not in config.to_json()
    assert "log" not in json.loads(config.to_json())
    assert (
        main(["submit", "--task", "digits-class:1", "--log", config.log[0], "--storage", "/s"]) == 2
    )
    said = capsys.readouterr()
    assert "http://me:***@host" in said.err
    assert "hunter2" not in said.err + said.out


@pytest.mark.parametrize("name", [name for name in LOGGERS if LOGGERS.resolve(name).extra])
def test_a_package_that_is_missing_is_one_line_with_the_extra(name, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(LOGGERS.resolve(name), "packages", ("no_such_package",))
    arguments = ["sweep", "--log", f"{name}:x", "--storage", str(tmp_path / "storage")]
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"pip install 'unlearning-sweeps[{name}]'" in line
    assert not (tmp_path / "storage").exists()


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("mlflw", "did you mean mlflow"),
        ("csv", "needs a path"),
        ("csv:/no/such/folder/a.csv", "there is no folder"),
        ("csv:README.md", "exists and is no CSV file of sweeps"),
        ("tensorboard:README.md", "is no folder"),
        ("mlflow:here", "is no tracking URI"),
        ("mlflow:ftp://host", "valid beginnings: http, https, sqlite"),
        ("mlflow:me:word@host:5000", "--log mlflow is no tracking URI"),
        ("json:JSONDecoder", "is no subclass"),
    ],
)
def test_a_logger_that_cannot_be_is_one_line(log, reason, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    assert main(["sweep", "--log", log, "--storage", str(tmp_path / "storage")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert not (tmp_path / "storage").exists()


def test_wandb_without_a_key_is_one_line_and_asks_nothing(monkeypatch, tmp_path):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(LOGGERS.resolve("wandb"), "packages", ())
    with pytest.raises(InvalidValue, match=r"wandb login.*WANDB_MODE=offline"):
        open_loggers(["wandb:mine"])
    (tmp_path / "netrc").write_text("machine api.wandb.ai\n login user\n password key\n")
    assert open_loggers(["wandb:mine"])[0].shown == "wandb:mine"
    monkeypatch.setenv("WANDB_BASE_URL", "https://own.example")
    with pytest.raises(InvalidValue, match="no API key"):
        open_loggers(["wandb"])
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert open_loggers(["wandb"])[0].shown == "wandb"


@pytest.mark.parametrize("again", ["csv:a.csv", "csv:./a.csv"])
def test_a_logger_given_twice_is_refused(again, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidValue, match="twice"):
        orchestrator.SweepConfig(log=("csv:a.csv", again)).validate()


@pytest.mark.parametrize(
    "target", ["", "databricks", "databricks://profile", "mysql+pymysql://host/a"]
)
def test_what_mlflow_takes_is_taken(target, monkeypatch):
    monkeypatch.setattr(LOGGERS.resolve("mlflow"), "packages", ())
    assert open_loggers([f"mlflow:{target}".rstrip(":")])[0].target == target


def test_two_files_are_two_loggers(tmp_path):
    assert len(open_loggers([f"csv:{tmp_path}/a.csv", f"csv:{tmp_path}/b.csv"])) == 2
