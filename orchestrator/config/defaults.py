"""What a sweep does unless it is told otherwise, and ready-made configurations."""

from __future__ import annotations

from typing import Any

LOCAL = "local"
"""The address that starts a private Ray cluster on this machine."""
REMOTE = "ray://"
"""Prefix of the address of a cluster that this machine is not part of."""

DEFAULT_TASK, FALLBACK_TASK = "cifar10-class:automobile", "digits-class:1"

DEFAULT_UNLEARNERS = (
    "finetune", "delete", "duck", "natmu", "scissorhands", "not", "ascent-descent", "msg",
)  # fmt: skip
"""Methods of a sweep that names none: finetune, and the best of the quick ones by the tables of docs/methods.md.

The rule is that of `benchmarks.methods.defaults`, and a test holds this list to it. They are of five families.
"""

DEFAULT_TRIALS_PER_SLOT = {
    ("digits", "cpu"): 25,
    ("cifar10-small", "cpu"): 4,
    ("cifar10", "cpu"): 0.5,
}
"""Trials per unlearner and concurrent trial: about two minutes on digits, fifteen on the fifth of CIFAR-10 and, by its
cost, half an hour on the whole with two CPUs."""
DEFAULT_TRIALS = 50
"""Trials per unlearner: the upper limit on a CPU, and the number on a GPU."""

DEFAULT_REFERENCES_BY_TASK = {("digits", "cpu"): 8, ("cifar10", "cpu"): 2}
DEFAULT_REFERENCES = 4
"""Models retrained for comparison: as many as their training allows, which takes seconds to minutes each."""

PRESETS: dict[str, dict[str, Any]] = {
    "cs726": {
        "task": "cifar10-class:automobile",
        "trials": 6,
        "unlearners": ("finetune", "finetune-l2sp", "gradient-ascent", "ssd"),
        "measure": "all",
    },
}
"""The experiment of the CS726 slides: forget all automobiles by fine-tuning, without and with a penalty.
The other two methods cost a few per cent of a retrain. They are there to beat the final model of the slides. That is
chosen by a rule of its own, from all points."""
