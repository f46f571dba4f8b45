"""Importances: the parameter that matters comes first, and too little data is said."""

from __future__ import annotations

import json
import math
import random

import pytest
from optuna.distributions import CategoricalDistribution

from analysis.param_importance import main
from orchestrator.results.hyperparameters.importance import (
    compute_importances,
    encode_settings,
    rank_values,
)


def trials(row, count, method="finetune"):
    """Accuracy depends on log lr, time on epochs; nothing depends on penalty."""
    rng = random.Random(0)
    for number in range(count):
        lr, epochs = 10 ** rng.uniform(-4, -1), rng.randint(1, 10)
        params = {"lr": lr, "epochs": epochs, "penalty": rng.uniform(0, 1), "momentum": 0.9}
        accuracy = 0.9 - 0.1 * (math.log10(lr) + 3.5) ** 2
        yield row(f"{method}-{number}", params=params, accuracy=accuracy, unlearn_seconds=epochs)


def columns_of(text):
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return {
        cells[1].strip(): [c.strip() for c in cells[2:-1]]
        for cells in (line.split("|") for line in lines)
    }


def test_parameter_that_matters_comes_first(store, row, capsys):
    assert main([str(store(*trials(row, 20))), "--markdown"]) == 0
    found = columns_of(capsys.readouterr().out)
    assert set(found) == {"lr", "epochs", "penalty"}  # momentum did not vary
    accuracy, hidden, seconds = ({name: v[i] for name, v in found.items()} for i in range(3))
    assert float(accuracy["lr"]) > 0.7
    assert set(hidden.values()) == {"—"}  # the metric is constant
    assert float(seconds["epochs"]) > 0.7


def test_the_scale_of_a_parameter_changes_nothing(store, row, capsys):
    """Which scale it was searched on is not in the store; a guess would depend on a few draws."""
    tables = []
    for sweep, scale in (("plain", lambda lr: lr), ("moved", lambda lr: 1 + lr)):
        rows = list(trials(row, 20))
        for one in rows:
            params = json.loads(one["params"])
            one |= {"sweep": sweep, "params": json.dumps({**params, "lr": scale(params["lr"])})}
        flags = ["--markdown", "--objective", "accuracy", "--sweep", sweep]
        assert main([str(store(*rows)), *flags]) == 0
        tables.append(columns_of(capsys.readouterr().out))
    one, other = ({name: float(v[0]) for name, v in table.items()} for table in tables)
    assert one == pytest.approx(other, abs=0.05)


def test_ranks_are_shares_and_ties_share_one():
    assert rank_values([3.0, 1.0, 2.0]) == [1.0, 0.0, 0.5]
    assert rank_values([1.0, 1.0, 2.0, 2.0]) == pytest.approx([1 / 6, 1 / 6, 5 / 6, 5 / 6])


def test_ped_anova_can_be_chosen(store, row, capsys):
    root = str(store(*trials(row, 12)))
    argv = [root, "--objective", "accuracy", "--evaluator", "ped-anova"]
    assert main(argv) == 0
    assert "ped-anova" in capsys.readouterr().out
    assert main([root, "--evaluator", "shapley"]) == 2


def test_too_few_distinct_trials_are_said(store, row, capsys):
    same = [row(f"ssd-{i}", params={"lr": 0.1 * (i % 3)}, accuracy=0.1 * i) for i in range(9)]
    assert main([str(store(*same, *trials(row, 4)))]) == 0
    captured = capsys.readouterr()
    assert "ssd: too few trials with distinct hyper-parameters (3; needs 4)" in captured.err
    assert "finetune: importance" in captured.out
    assert "ssd" not in captured.out


def test_distributions_are_read_off_the_values():
    settings = [
        {"lr": lr, "share": share, "nesterov": lr < 0.01, "loss": "ce", "layers": [1, epochs]}
        for lr, share, epochs in ((0.001, 0.5, 1), (0.1, 1.0, 2), (0.01, 0.7, 1))
    ]
    encoded, space = encode_settings(settings)
    assert set(space) == {"lr", "share", "nesterov", "layers"}
    assert [p["lr"] for p in encoded] == [0.0, 1.0, 0.5]
    assert [p["share"] for p in encoded] == [0.0, 1.0, 0.5]
    assert isinstance(space["nesterov"], CategoricalDistribution)
    pairs = list(zip(encoded, (0.1, 0.2, 0.3), strict=True)) * 2
    assert set(compute_importances(pairs, space, maximise=True)) == set(space)
