"""SGD and Adam: the steps of torch.optim's own, without what that imports."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
from program import ENVIRONMENT, ROOT

from tasks.compute.adam import Adam
from tasks.compute.sgd import SGD
from tasks.models.small_cnn import SmallCNN

ONE_TRIAL_OF_EACH = """
import sys, torch
from tasks.search_space import parameters
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.workbench import Workbench
task = Task.named("digits-class:1", calibration=True)  # some methods need the split
bench = Workbench(task, task.load(None), sys.argv[1], torch.device("cpu"))
for name in UNLEARNERS:
    cls = unlearner_class(name)
    options = {"epochs": 1} if "epochs" in parameters(cls) else {}
    assert list(run_trial(bench, cls.from_params(options), 0))
print(*{"torch._dynamo", "triton", "sympy", "sklearn", "pandas"} & sys.modules.keys())
"""


def assert_same_steps(pairs: list[tuple[SmallCNN, Any]], lr: float) -> None:
    """Step two equal models five times, each by its optimizer, at a falling rate of the first group."""
    rng = torch.Generator().manual_seed(0)
    for number in range(5):
        x = torch.randn(8, 1, 8, 8, generator=rng)
        for model, optimizer in pairs:
            optimizer.param_groups[0]["lr"] = lr / (number + 1)
            optimizer.zero_grad()
            out = model(x) if number else model.features(x)  # at first the head has no gradient
            out.square().mean().backward()
            optimizer.step()
    for a, b in zip(*(model.parameters() for model, _ in pairs), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_steps_are_torchs_own_to_the_last_bit(momentum: float, nesterov: bool) -> None:
    mine = SmallCNN(1, 10)
    theirs = copy.deepcopy(mine)
    rest = {"lr": 0.1, "momentum": momentum, "nesterov": nesterov and momentum > 0}

    def groups(model: SmallCNN) -> list[dict[str, object]]:
        head, body = list(model.head.parameters()), list(model.features.parameters())
        return [{"params": head, "weight_decay": 0.01}, {"params": body, "lr": 0.02}]

    pairs = [(mine, SGD(groups(mine), **rest)), (theirs, torch.optim.SGD(groups(theirs), **rest))]  # type: ignore[arg-type]
    assert_same_steps(pairs, 0.1)


@pytest.mark.parametrize(("decay", "decoupled"), [(0.0, False), (0.01, False), (0.01, True)])
def test_adam_s_steps_are_torch_s_own_to_the_last_bit(decay: float, decoupled: bool) -> None:
    mine = SmallCNN(1, 10)
    theirs = copy.deepcopy(mine)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    pairs = [
        (mine, Adam(mine.parameters(), 0.01, weight_decay=decay, decoupled=decoupled)),
        (theirs, kind(theirs.parameters(), 0.01, weight_decay=decay)),
    ]
    assert_same_steps(pairs, 0.01)


def test_a_trial_imports_neither_torchs_compiler_nor_scikit_learn(storage) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_TRIAL_OF_EACH, storage / "artifacts"],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
