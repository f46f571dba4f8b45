"""Bad input: one clear line that names the valid choices, exit code 2, nothing lost, no traceback."""

from __future__ import annotations

import pytest
from program import SWEEP

RUN = ("run", "--task", "digits-class:1", "--unlearner", "ssd")
SEQUENCE = ("run", "--unlearner", "ssd", "--task")


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
        (("sweep", "--shadows", "9" * 27), "multiples of 4 in 8..100,000"),
        ((*RUN, "--shadows", "9"), "multiples of 4 in 8..100,000"),
        ((*RUN, "--trial-seed", "-1"), "--trial-seed -1 is out of range"),
        (("sweep", "--dry-run", "--report", "page.htm"), "must end in .html"),
        (("run", "--task", "digit-class:1", "--unlearner", "ssd"), "did you mean digits-class:1?"),
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
