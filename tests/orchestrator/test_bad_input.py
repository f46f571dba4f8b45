"""Bad input: one clear line that names the valid choices, exit code 2, nothing lost, no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from program import ENVIRONMENT, ROOT, command, rows_of

from orchestrator.results.store import write_rows

NOBODY = "http://127.0.0.1:9"
"""A proxy through which nothing can be downloaded: nothing listens on the discard port."""
RUN = ("run", "--task", "digits-class:1", "--unlearner", "ssd")
SEQUENCE = ("run", "--unlearner", "ssd", "--task")
SWEEP = ("sweep", "--task", "digits-class:1", "--trials", "1", "--unlearners", "ssd")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("sweep", "--task", "cifar11-class:automobile"), "digits-class:1"),
        (("sweep", "--task", "digits-class:eleven"), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (("sweep", "--task", "digits-random:1.5"), "(0, 1)"),
        (("sweep", "--task", "digits-confusion:3:3:20"), "must differ"),
        (("sweep", "--task", "digits-index:/no/such.npy"), "cannot be read"),
        (("sweep", "--task", "digits-loss:best:20"), "top, low, mid"),
        (
            ("run", "--task", "digits-worst:finetun:20", "--unlearner", "ssd"),
            "did you mean finetune?",
        ),
        (
            ("sweep", "--task", "digits-loss:top:20", "--objective", "test_accuracy_forgotten:min"),
            "no class is forgotten as a whole",
        ),
        (
            ("sweep", "--task", "digits-class:1", "--objective", "validation_attack_success:min"),
            "plants no trigger",
        ),
        ((*SEQUENCE, "digits-class:1;"), "part 2 of 2 is empty"),
        ((*SEQUENCE, "digits-class:1;clas:7"), "did you mean class?"),
        ((*SEQUENCE, "digits-class:1;class:1"), "valid: 0, 2, 3"),
        ((*SEQUENCE, "digits-class:1;random:.999"), "and as many retained"),
        ((*SEQUENCE, "digits-class:1;el2n:top:50"), "needs a scoring model"),
        ((*SEQUENCE, "digits-relabel:2"), "(0, 1)"),
        (("sweep", "--task", "digits-class:1;"), "part 2 of 2 is empty"),
        (("sweep", "--task", "digits-class:1;class:1"), "valid: 0, 2, 3"),
        (
            ("sweep", "--task", "digits-class:1;random:.1", "--unlearners", "unsir"),
            "request 2 of 2, random:.1, empties none",
        ),
        (
            ("influence", "--task", "digits-class:1;class:7", "--test-example", "1"),
            "takes a single request",
        ),
        (
            ("influence", "--task", "digits-replace:7", "--test-example", "1"),
            "such as digits-random:0.1",
        ),
        (
            ("run", "--task", "digits-class:1;class:7", "--unlearner", "amnesiac"),
            "needs update_log",
        ),
        (("sweep", "--unlearners", "finetun"), "did you mean finetune?"),
        (("sweep", "--unlearners", "ssd,ssd"), "twice"),
        ((*SWEEP, "--set", "sdd.selection=5"), "did you mean ssd?"),
        (
            (*SWEEP, "--set", "finetune.lr=.01"),
            "unknown method of this sweep 'finetune'; valid: ssd",
        ),
        ((*SWEEP, "--set", "selecton=5"), "did you mean selection?"),
        ((*SWEEP, "--set", "selection"), "[METHOD.]NAME=VALUE, =LOW..HIGH or =A,B,C"),
        ((*SWEEP, "--set", "selection=9..5"), "selection=9..5 is empty: 9.0 is above 5.0"),
        ((*SWEEP, "--set", "selection=5..many"), "selection=many is not a float above 0"),
        ((*SWEEP, "--set", "selection=0,5"), "selection=0.0 is out of range: a float above 0"),
        ((*SWEEP, "--set", "mixed=0..1"), "is not a bool"),
        ((*SWEEP, "--set", "selection=5", "selection=6"), "selection is set twice"),
        (
            ("sweep", "--unlearners", "sfron", "--set", "period=1..3"),
            "is a range, not choices of 1|2|5|10",
        ),
        (
            ("sweep", "--unlearners", "rum", "--set", "high=salun(lr=-7,epochs=2)"),
            "lr=-7.0 is out of range: a float above 0",
        ),
        (("sweep", "--objective", "parreto"), "pareto"),
        (("sweep", "--objective", "test_acuracy:max"), "test_accuracy"),
        (("sweep", "--objective", "test_accuracy:sideways"), "maximize"),
        (
            ("sweep", "--objective", "my_module:my_metric:max"),
            "entry point of the group orchestrator.metrics",
        ),
        (("sweep", "--objective", "pgd_gap:max"), "unknown metric 'pgd_gap'"),
        ((*SWEEP, "--require", "forget_acuracy<=.1"), "did you mean forget_accuracy?"),
        ((*SWEEP, "--require", "forget_accuracy=.1"), "METRIC>=VALUE"),
        ((*SWEEP, "--require", "forget_accuracy<=low"), "'low' is not a number"),
        (
            (*SWEEP, "--require", "test_accuracy_retained>=.85"),
            "not for choosing points; validation_accuracy_retained is",
        ),
        (
            (*SWEEP, "--require", "validation_attack_success<=.1"),
            "plants no trigger",
        ),
        ((*RUN, "--metrics", "zrff"), "did you mean zrf?"),
        ((*RUN, "--metrics", "u_lira_auc", "--shadows", "6"), "multiples of 4"),
        ((*RUN, "--metrics", "klom_mean", "--references", "2"), "valid: 4 or more"),
        ((*SWEEP, "--metrics", "all,u_lira_auc"), "and no search"),
        (("sweep", "--sampler", "bayes"), "tpe, nsgaii, nsgaiii, gp, random"),
        (("sweep", "--loader", "dali"), "auto, ffcv, resident"),
        (
            ("sweep", "--model", "resnet50", "--task", "digits-class:1"),
            "resnet9, resnet9-long, airbench94, resnet18, small-cnn",
        ),
        (("sweep", "--model", "resnet9:wide", "--task", "digits-class:1"), "0.1..10"),
        (("sweep", "--preset", "cs727"), "cs726"),
        (("sweep", "--trials", "0"), "--trials 0 is out of range: 1..10,000,000"),
        (("sweep", "--trials", "9" * 400), "out of range: 1..10,000,000"),
        (("sweep", "--shadows", "9" * 27), "out of range: 8..100,000"),
        (("sweep", "--references", "9" * 27), "out of range: 2..10,000"),
        (("sweep", "--trials", "many"), "many"),
        (("sweep", "--trials", "2.5"), "--trials 2.5 is not a whole number"),
        (("confirm", "never-started", "--seeds", "2.5"), "--seeds 2.5 is not a whole number"),
        (("sweep", "--config", "/no/such.toml"), "--config /no/such.toml cannot be read"),
        ((*SWEEP, "--dry-run", "--objective", "parreto"), "pareto"),
        (("sweep", "--cpus-per-trial", "0"), "out of range: 1.."),
        (("sweep", "--trial-seconds", "0"), "out of range: 1.."),
        (("sweep", "--trial-seconds", "nan"), "out of range: 1.."),
        (("sweep", "--gpus-per-trial", "nan"), "out of range: 0.."),
        (("sweep", "--utility-floor", ".5"), "--utility-floor"),
        (("sweep", "--seed", str(2**64)), "out of range: 0.."),
        ((*SWEEP, "--loader", "ffcv"), "--loader resident"),
        (("compact", "--sweep", "never-started"), "no results of sweep"),
        (("compact", "--sweep", "../rows"), "letters, digits"),
        (("status", "never-started"), "no sweep 'never-started'"),
        (("run", "--task", "digits-class:1", "--unlearner", "ssd", "--seed", "-1"), "--seed -1"),
        (("sweep", "--name", "../escape"), "letters, digits"),
        (("sweep", "--name", "Ünïcode"), "letters, digits"),
        ((*SWEEP, "--address", "somewhere"), "local, auto, ray://HOST:PORT"),
        (
            ("sweep", "--task", "cifar10-class:automobile", "--data-dir", "/dev/null/nowhere"),
            "--data-dir",
        ),
        (("sweep", "--data-dir", "/no/such/folder"), "--data-dir /no/such/folder"),
        ((*RUN, "--data-dir", "/no/such/folder"), "--data-dir /no/such/folder"),
        ((*SWEEP, "--model", "resnet9"), "needs 25; valid: resnet18, small-cnn"),
        ((*RUN, "--model", "resnet9:2"), "needs 25; valid: resnet18, small-cnn"),
        (("sweep", "--gpus-per-trial", "1.5"), "whole numbers"),
        (
            ("sweep", "--task", "digits-random:0.1", "--objective", "test_accuracy_forgotten:min"),
            "no class is forgotten as a whole",
        ),
        (("resume", "never-started"), "no sweep 'never-started'"),
        (
            ("run", "--task", "digits-class:1", "--unlearner", "finetune", "--set", "lr=-7"),
            "a float above 0",
        ),
        (
            ("run", "--task", "digits-class:1", "--unlearner", "finetune", "--set", "rate=7"),
            "lr, epochs",
        ),
        (
            ("run", "--task", "digits-class:1", "--unlearner", "finetune", "--set", "lr"),
            "NAME=VALUE",
        ),
        (
            ("run", "--task", "digits-class:1", "--unlearner", "ssd", "--set", "batch_size=0"),
            "at least 1",
        ),
        (
            ("run", "--task", "digits-class:1", "--unlearner", "scrub", "--set", "mask=top"),
            "none|saliency|magnitude",
        ),
        (
            ("run", "--task", "digits-class:1", "--unlearner", "rum", "--set", "high=salun(lr=-7)"),
            "above 0",
        ),
        (("list", "methods"), "unlearners"),
        (("swep",), "sweep"),
        (("sweep", "--frobnicate"), "--frobnicate"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_one_line_that_names_the_valid_choices(tmp_path, capsys, arguments, expected):
    from orchestrator.cli.main import main

    storage = [] if arguments[0] in ("list", "swep") else ["--storage", str(tmp_path / "storage")]
    assert main([*arguments, *storage]) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err + captured.out
    assert not (tmp_path / "storage").exists()


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
